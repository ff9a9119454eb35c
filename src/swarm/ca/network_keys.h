// The keys with which nodes encrypt the cluster's networks: three for each purpose, as stock
// engines have them: the old one, the one in use, the next one. The times of the keys tell them
// apart, and every node has the next one long before it is used.
#pragma once

#include "swarm/store/reconciler.h"

namespace shoal::swarm {

inline constexpr std::chrono::hours network_key_life{12};

/// A new key becomes the next one, the next one the one in use. The first time makes all of them.
void renew_network_keys(pb::Cluster& cluster, Random& random, Instant now);

class NetworkKeyRotation final : public Reconciler {
  public:
    void rebuild(const Store&) override {}
    void observe(const Store&, const Change&) override {}
    std::optional<Instant> run(Tx& tx) override;
};

} // namespace shoal::swarm
