// What users may change of the cluster itself: its settings, its tokens, its unlock key. Functions
// over a transaction. How tokens, keys and roots are made is the CA's business; this decides when.
#pragma once

#include "swarm/store/store.h"

#include <cstdint>
#include <functional>
#include <string>

namespace shoal::swarm {

inline constexpr std::chrono::hours certificate_life_min{1};
inline constexpr nanoseconds heartbeat_period_min = std::chrono::milliseconds(100);

/// Checked for a new cluster too. Fails: Invalid; Unsupported for external authorities.
Result<void> check_cluster_spec(const pb::ClusterSpec& spec);

struct UpdateCluster {
    bool rotate_worker_token = false;
    bool rotate_manager_token = false;
    bool rotate_unlock_key = false;
};

/// The parts that need keys and certificates. Each may look at `before` and changes `after`, the
/// object that is about to be written; an error refuses the whole update. All must be set.
struct ClusterActions {
    /// A new token for nodes of this role.
    std::function<Result<std::string>(pb::NodeRole role, const pb::Cluster& after)> make_token;
    /// Locking was turned on or off, or the key is to be changed: sets unlock_keys.
    std::function<Result<void>(Tx& tx, const pb::Cluster& before, pb::Cluster& after)>
        change_unlock_key;
    /// The signing certificate or key differs, or force_rotate has grown: begins a rotation.
    std::function<Result<void>(Tx& tx, const pb::Cluster& before, pb::Cluster& after)> change_root;
};

/// The name cannot be changed; "" keeps it. The key of the signing authority is never given out by
/// reads, so an empty one with an unchanged certificate keeps it. Fails: Internal "update out of
/// sequence"; as check_cluster_spec.
Result<ClusterPtr> update_cluster(Tx& tx, std::uint64_t version, pb::ClusterSpec spec,
                                  const UpdateCluster& options, const ClusterActions& actions);

} // namespace shoal::swarm
