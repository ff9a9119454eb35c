// The filters of lists of a cluster's objects as pure functions over the store: what they mean, in
// Docker's reading. Keys and words are checked first, so that a bad one is an error and not an
// empty list.
#pragma once

#include "base/filters.h"
#include "swarm/store/store.h"

#include <vector>

namespace shoal::api {

/// In order of ids. All fail: Invalid with Docker's sentences; tasks also NotFound for a service or
/// node that is named and not there.
Result<std::vector<swarm::ServicePtr>> list_services(const swarm::Store& store,
                                                     const Filters& filters);
Result<std::vector<swarm::TaskPtr>> list_tasks(const swarm::Store& store, Filters filters);
Result<std::vector<swarm::NodePtr>> list_nodes(const swarm::Store& store, const Filters& filters);
Result<std::vector<swarm::SecretPtr>> list_secrets(const swarm::Store& store,
                                                   const Filters& filters);
Result<std::vector<swarm::ConfigPtr>> list_configs(const swarm::Store& store,
                                                   const Filters& filters);
/// Those beside the local ones: without the predefined, which every node has by itself. `filters`
/// are those of local networks and have been checked.
std::vector<swarm::NetworkPtr> list_swarm_networks(const swarm::Store& store,
                                                   const Filters& filters);
/// Does any service or task that is not over use it?
bool is_network_used(const swarm::Store& store, const swarm::pb::Network& network);

} // namespace shoal::api
