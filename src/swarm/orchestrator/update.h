// Rolling updates and their way back, as a function of the store and the time: which slots are
// still of an older specification is read from their tasks, how far each has come from the states
// of the tasks made for it, and how the update as a whole stands from the service's update status.
// Nothing is remembered, so a new leader goes on exactly where the last one was.
#pragma once

#include "swarm/orchestrator/slots.h"

namespace shoal::swarm {

/// How an update goes, with the defaults for what the service does not say.
struct UpdateRules {
    std::uint64_t parallelism = 1; ///< 0: all at once
    nanoseconds delay{};
    nanoseconds monitor = std::chrono::seconds(5);
    double failure_ratio_max = 0;
    pb::UpdateConfig::FailureAction on_failure = pb::UpdateConfig::PAUSE;
    pb::UpdateConfig::UpdateOrder order = pb::UpdateConfig::STOP_FIRST;

    /// How long a new task is watched, and the whole update after its last slot.
    nanoseconds watched() const;
};
/// Those of an update, or of a rollback.
UpdateRules update_rules(const pb::Service& service);

/// Begins, goes on with, or ends the update of a service with these slots (those that count).
/// Gives when to look again.
std::optional<Instant> continue_update(Tx& tx, const pb::Service& service,
                                       const std::vector<const Slot*>& slots);

/// Ends an update, or turns it back, when too much of it has failed: to be done before any of its
/// failed tasks is replaced.
void judge_update(Tx& tx, const pb::Service& service, const Slots& slots);

/// Stops what a slot has too much of: tasks of an older specification beside one of the present, at
/// once, or when that one runs, as the update's order says; and a second one of the present, unless
/// the slot is being moved. True when it has stopped some.
bool stop_surplus(Tx& tx, const pb::Service& service, const Slot& slot);

/// The update to the present specification has come to its end.
bool is_updated(const pb::Service& service);
/// The slot's tasks are of an older specification, and no update to this one has tried them.
bool is_outdated(const pb::Service& service, const Slot& slot, SpecComparison& comparison);
/// Stops the slot's tasks and puts a new one in their place, as an update does.
void update_slot(Tx& tx, const pb::Service& service, const Slot& slot);

/// The service's tasks of this version are the update's memory while it goes on: not to be reaped.
bool is_needed_by_update(const pb::Service& service, const pb::Task& task);

} // namespace shoal::swarm
