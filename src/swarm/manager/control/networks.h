// What users may do with networks of the whole swarm: make and remove overlay networks. Functions
// over a transaction. Subnets, identifiers on the wire and addresses are the allocator's; here is
// only what a specification may say.
#pragma once

#include "swarm/store/store.h"

#include <string>

namespace shoal::swarm {

/// On the networks that every node has by itself ("bridge", "host"), known to the cluster so that
/// services can use them.
inline constexpr std::string_view predefined_label = "com.docker.swarm.predefined";
inline constexpr std::size_t network_subnets_max = 16;

bool is_predefined(const pb::Network& network);

/// Fails: Invalid for a name, option or subnet, Conflict for a taken name or a second ingress
/// network, Forbidden for a subnet that meets another network's, Unsupported for other drivers.
Result<NetworkPtr> create_network(Tx& tx, pb::NetworkSpec spec);

/// `id` is a whole id (find() has it). Fails: Invalid when it is predefined, or in use by a service
/// or a task, which is named.
Result<void> remove_network(Tx& tx, const std::string& id);

} // namespace shoal::swarm
