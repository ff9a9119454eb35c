// What the leader writes of nodes and of what they report, as mutations: functions from the store
// to changes, which hold whatever else was written in between. They hear and send nothing.
#pragma once

#include "swarm/store/writer.h"

#include "swarm/proto/dispatcher.pb.h"

#include <map>

namespace shoal::swarm {

struct NodeState {
    pb::NodeStatus::State state = pb::NodeStatus::UNKNOWN;
    std::string message;
};
/// Changes only nodes that exist and are not so already.
void set_node_states(Tx& tx, const std::map<std::string, NodeState>& states);
/// READY, with what the node says of itself. NotFound when there is no such node.
Result<void> register_node(Tx& tx, const std::string& node_id,
                           const pb::NodeDescription& description, const std::string& address);

/// What a node says of a task.
struct TaskReport {
    std::string task_id;
    pb::TaskStatus status;
};
/// Ignores tasks that are gone, reports that would lead backwards, and news that are none.
void apply_reports(Tx& tx, const std::string& node_id, const std::vector<TaskReport>& reports,
                   const std::string& applied_by);

/// Tasks that were left on nodes that have been down for too long become ORPHANED; at most
/// `count_max` of them.
std::vector<std::string> plan_orphans(const Store& store, Instant now, std::chrono::nanoseconds age,
                                      std::size_t count_max);
void orphan_tasks(Tx& tx, const std::vector<std::string>& task_ids, const std::string& applied_by);

} // namespace shoal::swarm
