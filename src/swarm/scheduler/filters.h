// Filters: may this node have a task with these needs, and if not, why not. The texts are those
// that users know from status and search for.
#pragma once

#include "swarm/scheduler/node_info.h"

#include <optional>

namespace shoal::swarm {

/// Why a node is no place for a task: "insufficient resources on 2 nodes".
struct Refusal {
    std::string before; ///< of the number: "insufficient resources on"
    std::string after;  ///< of "node" or "nodes"
    auto operator<=>(const Refusal&) const = default;
};

/// The first reason, in the order of the filters; nothing when the node fits.
std::optional<Refusal> refuse(const TaskNeeds& needs, const NodeInfo& node);

/// Counts reasons over nodes.
class Refusals {
  public:
    void add(Refusal refusal) { ++counts_[std::move(refusal)]; }
    /// "no suitable node (a on 3 nodes; b on 1 node)", the commonest first.
    std::string text() const;

  private:
    std::map<Refusal, std::size_t> counts_;
};

} // namespace shoal::swarm
