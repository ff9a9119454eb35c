// Scheduler: gives every task that waits a node, or says on the task why there is none. It waits
// for nothing and keeps only what can be read from the store again: nodes with what is left of
// them, and which tasks wait. Which tasks there should be is the orchestrators' business.
#pragma once

#include "swarm/scheduler/failures.h"
#include "swarm/scheduler/spread.h"
#include "swarm/store/reconciler.h"

#include <unordered_map>

namespace shoal::swarm {

class Scheduler final : public Reconciler {
  public:
    Scheduler() = default;
    void rebuild(const Store& store) override;
    void observe(const Store& store, const Change& change) override;
    std::optional<Instant> run(Tx& tx) override;

    /// Whether the node could take the task besides what it has. False for nodes it has not seen.
    bool fits(const pb::Task& task, const pb::Node& node) const;

    std::uint64_t nodes_asked() const { return nodes_asked_; } ///< so far; what placing costs

  private:
    NodeInfo& node_info(const std::string& id);
    /// Changes a node's book and keeps its place in the order.
    template <class Do> void change_node(NodeInfo& node, Do&& change);
    void see_node(const std::string& id, const NodePtr& node);
    void see_task(const std::string& id, const TaskPtr& task);
    void see_waiting(const std::string& id, const TaskPtr& task);
    void see_held(const std::string& id, const TaskPtr& task);

    void place_preassigned(Tx& tx, const std::string& task_id);
    void place_groups(Tx& tx);
    /// How many got a node.
    std::size_t place_group(Tx& tx, const GroupKey& key);
    using NodeFailures = std::map<std::string, std::size_t>;
    void count_service(NodeInfo& node, const std::string& service_id);
    void order_nodes(Branch& root, const pb::Task& task, const NodeFailures& failures);
    void assign(Tx& tx, pb::Task task, const NodeInfo& node, const TaskNeeds& needs);
    void explain(Tx& tx, const std::vector<TaskPtr>& tasks, const std::string& text);
    std::string explain_group(const TaskNeeds& needs);

    std::map<std::string, NodeInfo> nodes_;
    LoadOrder order_; ///< nodes that exist
    std::map<std::string, std::map<std::string, NodeInfo*>> nodes_of_service_;
    Failures failures_;
    std::unordered_map<std::string, TaskPtr> held_; ///< tasks on nodes; only looked up

    std::set<std::string> preassigned_;                       ///< waiting tasks that have a node
    std::map<GroupKey, std::set<std::string>> groups_;        ///< waiting tasks without a node
    std::unordered_map<std::string, GroupKey> group_of_task_; ///< only looked up
    std::set<GroupKey> dirty_groups_;
    GroupKey served_; ///< the last that got something: the next ones come before it
    std::set<std::string> dirty_preassigned_;
    bool all_dirty_ = false; ///< some node has changed, or has more room
    std::uint64_t nodes_asked_ = 0;
};

} // namespace shoal::swarm
