// RootRotation: from one root of the cluster to another without anybody losing touch. The new root
// is signed by the old one too, so that what it signs is good under both; node after node is asked
// to come for a new certificate; when all have one, the new root takes the old one's place.
#pragma once

#include "swarm/ca/founding.h"
#include "swarm/store/reconciler.h"

#include <map>
#include <string>
#include <vector>

namespace shoal::swarm {

/// So many nodes are asked to renew at once, and the next ones after the pause.
inline constexpr std::size_t rotated_at_once = 30;
inline constexpr std::chrono::seconds rotation_pause{3};
/// A node that was given its new certificate and does not show it is asked again after this.
inline constexpr std::chrono::seconds rotation_patience{30};

/// The wish in after.spec.ca_config (a certificate and key, or a force_rotate that has grown)
/// begins a rotation in `after`, replaces one that is under way, or takes it back when the wish is
/// the present root. Nothing to do is success. Fails: Invalid for what is no root; Unsupported for
/// external authorities.
Result<void> begin_rotation(const pb::Cluster& before, pb::Cluster& after, Instant now);
inline bool is_rotating(const pb::Cluster& cluster) {
    return cluster.root_ca().has_root_rotation();
}

/// Nodes whose certificate is not the new root's yet, and that nobody hears of: only their return
/// or their removal ends the rotation. By name, or id where there is none. Empty when none goes on.
std::vector<std::string> silent_in_rotation(const Store& store);

class RootRotation final : public Reconciler {
  public:
    void rebuild(const Store& store) override;
    void observe(const Store& store, const Change& change) override;
    std::optional<Instant> run(Tx& tx) override;

  private:
    /// A node whose certificate is not the new root's yet.
    struct Old {
        bool may_be_asked = false;
        bool has_been_given = false; ///< the new certificate, and does not show it yet
        Instant patience;            ///< then it is asked again
    };
    void begin(const pb::Cluster& cluster);
    void look_at(const pb::Node& node);
    bool is_due(Old& node, Instant now) const;

    pb::RootRotation rotation_; ///< of which the rest speaks; empty: none
    pb::NodeTLSInfo wanted_;    ///< every node's, in the end
    std::map<std::string, Old> old_;
    Instant next_; ///< when the next ones may be asked
};

} // namespace shoal::swarm
