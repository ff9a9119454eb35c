// Spread: in which order the tasks of a service are dealt out to nodes. Nodes stand under the
// values of the service's spread preferences as leaves under branches; every task goes down to the
// branch that has the fewest, and there to the best node. It compares nodes and does not filter:
// whether a node fits is a question to the caller.
#pragma once

#include "swarm/scheduler/node_info.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <tuple>

namespace shoal::swarm {

inline constexpr std::size_t failures_that_count = 5; ///< fewer are no reason to avoid a node

/// Smaller is better: failures, tasks of the service, tasks of all services, id.
using Rank = std::tuple<std::size_t, std::size_t, std::size_t, std::string_view>;
/// All nodes by number of tasks and id.
using LoadOrder = std::map<std::pair<std::size_t, std::string_view>, NodeInfo*>;

using Fits = std::function<bool(const NodeInfo&)>;
using RankOf = std::function<Rank(const NodeInfo&)>;

/// Nodes that compete for the tasks of one service, best first. While tasks are being placed nodes
/// only get fuller, so one that does not fit is never asked again.
class Candidates {
  public:
    using IsUnused = std::function<bool(const NodeInfo&)>;
    /// Those of `all` that have no task of the service, in order of their load: they come first,
    /// and are not added.
    void set_unused(const LoadOrder& all, IsUnused is_unused);
    void add(NodeInfo& node, const Rank& rank) { ranked_.emplace(rank, &node); }

    /// The best one that fits, taken out; null when there is none. After it has the task it is
    /// added again.
    NodeInfo* take(const Fits& fits);

  private:
    std::optional<std::pair<LoadOrder::const_iterator, LoadOrder::const_iterator>> all_;
    IsUnused is_unused_;
    std::map<Rank, NodeInfo*> ranked_;
};

/// A level of preferences: branches by value, or the nodes themselves.
class Branch {
  public:
    /// `descriptors`: "node.labels.zone", of this level and those below.
    void add(NodeInfo& node, std::span<const std::string> descriptors, const RankOf& rank,
             const std::string& service_id);
    Candidates& leaf() { return leaf_; }

    struct Taken {
        NodeInfo* node = nullptr; ///< null: no node beneath this branch fits
        Candidates* leaf = nullptr;
    };
    Taken take(const Fits& fits);

  private:
    std::size_t tasks_ = 0; ///< of the service, beneath
    std::map<std::string, std::unique_ptr<Branch>> branches_;
    std::set<std::pair<std::size_t, std::string_view>> open_; ///< branches that may have room
    bool opened_ = false;
    Candidates leaf_;
};

} // namespace shoal::swarm
