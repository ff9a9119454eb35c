// The networks that every cluster has: ingress, and bridge and host of every node under one id
// each.
#pragma once

#include "swarm/store/store.h"

namespace shoal::swarm {

inline constexpr std::string_view predefined_label = "com.docker.swarm.predefined";
inline bool is_predefined(const pb::Network& network) {
    return network.spec().annotations().labels().contains(std::string(predefined_label));
}

/// Creates bridge and host where they are missing, and ingress in a cluster that has no network at
/// all: one whose administrator has removed ingress stays without. The allocator completes them.
void ensure_predefined(Tx& tx);

} // namespace shoal::swarm
