// The cluster itself as the Engine API shows and takes it: settings, tokens, what to say when a
// swarm is begun or joined. Keys are never shown. Pure.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "swarm/manager/control/face.h"

#include <string>

namespace shoal::api {

/// Docker's settings of a new cluster, under what a request gives.
swarm::pb::ClusterSpec default_cluster_spec();

/// `base` with what the body gives; what it leaves out, or gives as 0, has Docker's default. Our
/// own members (Policy, StoreTiming) stay as they are in `base` when they are not named. Fails:
/// Invalid.
Result<swarm::pb::ClusterSpec> parse_cluster_spec(const Json& body,
                                                  const swarm::pb::ClusterSpec& base);

Result<swarm::InitRequest> parse_init_request(const Json& body, int version);

Result<swarm::JoinRequest> parse_join_request(const Json& body);

/// {"UnlockKey": "..."}
Result<std::string> parse_unlock_request(const Json& body);

/// `tls` is what the cluster's own certificates say (of any node, or the caller knows them).
Json cluster_info_document(const swarm::pb::Cluster& cluster, const swarm::pb::NodeTLSInfo& tls);
/// The same with the tokens.
Json swarm_document(const swarm::pb::Cluster& cluster, const swarm::pb::NodeTLSInfo& tls);

} // namespace shoal::api
