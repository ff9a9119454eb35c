// Nodes as the Engine API shows and takes them. Pure.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "swarm/model/object.h"

namespace shoal::api {

/// What a client may say of a node. Fails: Invalid, naming the member.
Result<swarm::pb::NodeSpec> parse_node_spec(const Json& body);
Json node_document(const swarm::pb::Node& node);
Json tls_document(const swarm::pb::NodeTLSInfo& tls);

} // namespace shoal::api
