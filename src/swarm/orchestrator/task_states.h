// What all orchestrators know of a task: how it is made from a service, which way its states may
// go, whether it still is what its service asks for, and whether its node may keep it. Pure; which
// tasks there should be is decided elsewhere.
#pragma once

#include "swarm/model/overlay.h"

#include <map>
#include <optional>
#include <string>

namespace shoal::swarm {

class Store;

// Kinds of services.

bool is_replicated(const pb::Service& service);
bool is_global(const pb::Service& service);
bool is_replicated_job(const pb::Service& service);
bool is_global_job(const pb::Service& service);
bool is_job(const pb::Service& service);
/// Its tasks are told apart by their node, not by a number.
bool is_by_node(const pb::Service& service);
/// What its tasks are to become: COMPLETE for jobs, else RUNNING.
pb::TaskState goal_of(const pb::Service& service);

/// An update or a rollback of it goes on.
bool is_updating(const pb::Service& service);

// Tasks as they come and go.

/// Where a task belongs: a number for replicated services and jobs, a node for global ones.
struct SlotKey {
    std::uint64_t number = 0;
    std::string node_id;
    auto operator<=>(const SlotKey&) const = default;
};
SlotKey slot_of(const pb::Service& service, const pb::Task& task);

/// Observed NEW, desired what the service's tasks are to become.
pb::Task make_task(std::string id, const pb::Service& service, const pb::Cluster* cluster,
                   const SlotKey& slot, Instant now);

/// Its service wants it: it runs, or will. (COMPLETE is desired of jobs' tasks only.)
inline bool is_wanted(const pb::Task& task) { return task.desired_state() <= pb::COMPLETE; }
inline bool is_over(const pb::Task& task) { return is_terminal(task.status().state()); }
/// It runs, and whoever may send it traffic knows the way: only then it takes another's place.
inline bool is_up(const pb::Task& task) {
    return task.status().state() == pb::RUNNING && (task.reachable() || !has_endpoints(task));
}
/// A job's task that has done its work; it stays wanted as the proof of that.
inline bool has_reached_goal(const pb::Task& task) {
    return task.desired_state() == pb::COMPLETE && task.status().state() == pb::COMPLETE;
}
/// It came to its end without having been told to.
bool has_ended_by_itself(const pb::Task& task);
/// Over, or nobody will ever report its end: its node is not there any more.
bool is_over(const Store& store, const pb::Task& task);

/// False, and nothing has changed, when `desired` is not further on.
bool advance_desired(pb::Task& task, pb::TaskState desired);
struct Observation {
    pb::TaskState state = pb::NEW;
    std::string message;
    std::string err;
    std::string applied_by; ///< the manager's node id; "": the leader's own decision
};
/// What a manager says of a task, with its clock as all of its times. False, and nothing has
/// changed, when the state is not further on.
bool advance_observed(pb::Task& task, const Observation& seen, Instant now);
/// Wanted no longer; one that no node has ever had is over at once. `desired` is SHUTDOWN (and it
/// is kept as history) or REMOVE.
bool stop(pb::Task& task, pb::TaskState desired, Instant now);

/// When it began to run, and ended; by a manager's clock where it is known, never in the future.
std::optional<Instant> running_since(const pb::Task& task, Instant now);
std::optional<Instant> ended_at(const pb::Task& task, Instant now);

// Nodes.

/// Why a node cannot keep a task.
enum class NodeLoss { None, Gone, Down, Drain };
/// None for a task without a node.
NodeLoss node_loss(const Store& store, const pb::Task& task);

// Is a task what its service asks for now?

/// Compares tasks with a service. Tasks of one version of the specification are compared in full
/// only once, so it is to be made anew for each pass over the service's tasks.
class SpecComparison {
  public:
    SpecComparison(const Store& store, const pb::Service& service)
        : store_(store), service_(service) {}
    /// False also when only the placement has changed and its node still fits, or only the
    /// credentials for pulling and it has pulled already.
    bool is_dirty(const pb::Task& task);

  private:
    enum class Difference { None, Placement, Pull, Any };
    Difference difference(const pb::Task& task);
    Difference compare(const pb::Task& task) const;

    const Store& store_;
    const pb::Service& service_;
    std::map<std::uint64_t, Difference> by_version_;
};

} // namespace shoal::swarm
