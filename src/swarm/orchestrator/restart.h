// The restart supervisor: whether a task that ended is started again, when its replacement may
// begin, and after how many attempts it is left alone. It remembers nothing: delays, attempts and
// predecessors are all read from the tasks of the slot.
#pragma once

#include "swarm/orchestrator/slots.h"

namespace shoal::swarm {

struct RestartRules {
    pb::RestartPolicy::RestartCondition condition = pb::RestartPolicy::ANY;
    nanoseconds delay = std::chrono::seconds(5);
    std::uint64_t attempts_max = 0; ///< 0: any number
    nanoseconds window{};           ///< 0: all attempts count
};
/// With the defaults for what the task does not say. Jobs know no ANY.
RestartRules restart_rules(const pb::Task& task);

/// A replacement waits for the old task to stop at most this long after it was made.
inline constexpr nanoseconds stop_wait_max = std::chrono::minutes(1);

/// Whether the policy wants `task`, which has ended, to be started again.
bool should_restart(const Slot& slot, const pb::Task& task);

/// No task of the slot is wanted, and it is to stay that way: the newest has come to its end by
/// itself and its policy wants no other.
bool is_finished(const Slot& slot);

/// A new task in the slot, put into the store.
struct NewTask {
    std::optional<pb::TaskState> desired; ///< nothing: what the service's tasks are to become
    nanoseconds delay{};                  ///< with desired READY
    std::uint64_t restarts = 0;
    bool of_update = false;
    bool of_rebalance = false;
    std::string node_id; ///< "": the scheduler chooses (or the slot is the node's)
};
TaskPtr put_new_task(Tx& tx, const pb::Service& service, const Slot& slot, const NewTask& wanted);

/// Looks after one slot: tasks that ended or whose node is lost are replaced as their policy says,
/// tasks that wait are let go when it is time. Gives when to look again.
std::optional<Instant> supervise(Tx& tx, const pb::Service& service, const Slot& slot);

/// As supervise, but lost nodes are not its business (global services decide about nodes).
std::optional<Instant> supervise_on_node(Tx& tx, const pb::Service& service, const Slot& slot);

} // namespace shoal::swarm
