#include "swarm/orchestrator/restart.h"

namespace shoal::swarm {
namespace {

enum class Nodes { Matter, DoNotMatter };

bool is_current(const pb::Service& service, const pb::Task& task) {
    return task.spec_version().index() == service.spec_version().index();
}

/// How many restarts there had been before `lookback`, as far as the slot's tasks still tell.
std::uint64_t restarts_before(const Slot& slot, const pb::Task& task, Instant lookback) {
    std::uint64_t before = 0;
    std::uint64_t least = task.restarts();
    for (const auto& other : slot.tasks) {
        if (other->spec_version().index() != task.spec_version().index()) { continue; }
        least = std::min(least, other->restarts());
        if (from_timestamp(other->meta().created_at()) <= lookback) {
            before = std::max(before, other->restarts());
        }
    }
    return std::max(before, least);
}

/// One look at one slot.
class Supervision {
  public:
    Supervision(Tx& tx, const pb::Service& service, const Slot& slot, Nodes nodes)
        : tx_(tx), service_(service), slot_(slot), nodes_(nodes) {}

    std::optional<Instant> run() {
        for (const auto& task : slot_.tasks) {
            if (is_wanted(*task)) { look_at(*task); }
        }
        return next_;
    }

  private:
    void look_at(const pb::Task& task) {
        if (has_reached_goal(task)) { return; }
        const auto loss = nodes_ == Nodes::Matter ? node_loss(tx_.store(), task) : NodeLoss::None;
        if (is_over(task) || loss != NodeLoss::None) {
            replace(task, loss);
        } else if (task.desired_state() == pb::READY) {
            wait_or_start(task);
        }
    }

    void wake(Instant at) { next_ = earlier(next_, at); }

    /// When a waiting task may begin; one that a jump of the clock has moved far away is put back.
    Instant start_after(const pb::Task& task) {
        const auto now = tx_.now();
        if (!task.has_start_after()) { return std::min(created(task), now); }
        const auto latest = now + restart_rules(task).delay;
        if (from_timestamp(task.start_after()) <= latest) {
            return from_timestamp(task.start_after());
        }
        pb::Task changed = task;
        *changed.mutable_start_after() = to_timestamp(latest);
        tx_.put(std::move(changed));
        return latest;
    }

    static Instant created(const pb::Task& task) {
        return from_timestamp(task.meta().created_at());
    }

    void replace(const pb::Task& task, NodeLoss loss) {
        if (task.desired_state() == pb::READY && start_after(task) > tx_.now()) {
            return wake(start_after(task)); // or a task that cannot be prepared would spin
        }
        const bool again = !has_ended_by_itself(task) || should_restart(slot_, task);
        pb::Task stopped = task;
        stop(stopped, pb::SHUTDOWN, tx_.now());
        tx_.put(std::move(stopped));
        if (again && !replaced_ && !is_covered(task)) { put_replacement(task, loss); }
    }

    /// Another task does this one's work, or will; an older version's does not once its update has
    /// chosen the slot.
    bool is_covered(const pb::Task& task) const {
        SpecComparison comparison(tx_.store(), service_);
        return std::any_of(slot_.tasks.begin(), slot_.tasks.end(), [&](const TaskPtr& other) {
            return other->id() != task.id() && is_wanted(*other) && !is_over(*other) &&
                   node_loss(tx_.store(), *other) == NodeLoss::None &&
                   (!is_updating(service_) || !comparison.is_dirty(*other));
        });
    }

    void put_replacement(const pb::Task& task, NodeLoss loss) {
        const bool same_version = is_current(service_, task);
        NewTask made;
        made.desired = pb::READY;
        if (loss == NodeLoss::None && node_loss(tx_.store(), task) == NodeLoss::None) {
            made.delay = restart_rules(task).delay;
        }
        made.restarts = same_version ? task.restarts() : 0;
        if (has_ended_by_itself(task)) {
            ++made.restarts;
        } else {
            made.of_update = same_version && task.of_update();
        }
        // What an update would have replaced in its turn, it now has.
        if (is_updating(service_) && SpecComparison(tx_.store(), service_).is_dirty(task)) {
            made.of_update = true;
        }
        put_new_task(tx_, service_, slot_, made);
        replaced_ = true;
    }

    void wait_or_start(const pb::Task& task) {
        if (task.of_rebalance() && is_covered(task)) { return; } // rebalance.h lets it go
        const auto now = tx_.now();
        const auto due = start_after(task);
        if (due > now) { return wake(due); }
        if (is_predecessor_stopping(task) && due + stop_wait_max > now) {
            return wake(due + stop_wait_max);
        }
        pb::Task started = *tx_.store().get<pb::Task>(task.id());
        advance_desired(started, goal_of(service_));
        tx_.put(std::move(started));
    }

    bool is_predecessor_stopping(const pb::Task& task) const {
        return std::any_of(slot_.tasks.begin(), slot_.tasks.end(), [&](const TaskPtr& other) {
            if (is_wanted(*other) || other->generation() > task.generation() || is_over(*other)) {
                return false;
            }
            const auto loss = node_loss(tx_.store(), *other);
            return loss != NodeLoss::Down && loss != NodeLoss::Gone;
        });
    }

    Tx& tx_;
    const pb::Service& service_;
    const Slot& slot_;
    Nodes nodes_;
    bool replaced_ = false;
    std::optional<Instant> next_;
};

} // namespace

RestartRules restart_rules(const pb::Task& task) {
    RestartRules rules;
    if (task.spec().has_restart()) {
        const auto& policy = task.spec().restart();
        rules.condition = policy.condition();
        if (policy.has_delay()) { rules.delay = from_duration(policy.delay()); }
        rules.attempts_max = policy.max_attempts();
        if (policy.has_window()) { rules.window = from_duration(policy.window()); }
    }
    if (task.has_job_iteration() && rules.condition == pb::RestartPolicy::ANY) {
        rules.condition = pb::RestartPolicy::ON_FAILURE;
    }
    return rules;
}

bool should_restart(const Slot& slot, const pb::Task& task) {
    const auto rules = restart_rules(task);
    if (rules.condition == pb::RestartPolicy::NONE) { return false; }
    if (rules.condition == pb::RestartPolicy::ON_FAILURE && task.status().state() == pb::COMPLETE) {
        return false;
    }
    if (rules.attempts_max == 0) { return true; }
    if (rules.window == nanoseconds::zero()) { return task.restarts() < rules.attempts_max; }
    const auto lookback = ended_at(task, Instant::max()).value_or(Instant()) - rules.window;
    return task.restarts() - restarts_before(slot, task, lookback) < rules.attempts_max;
}

bool is_finished(const Slot& slot) {
    return !slot.tasks.empty() && !slot.is_wanted() && slot.newest().desired_state() < pb::REMOVE &&
           has_ended_by_itself(slot.newest()) && !should_restart(slot, slot.newest());
}

TaskPtr put_new_task(Tx& tx, const pb::Service& service, const Slot& slot, const NewTask& wanted) {
    const auto cluster = tx.store().cluster();
    auto made = make_task(tx.make_id(), service, cluster.get(), slot.key, tx.now());
    if (wanted.desired) { made.set_desired_state(*wanted.desired); }
    if (wanted.desired == pb::READY) {
        *made.mutable_start_after() = to_timestamp(tx.now() + wanted.delay);
    }
    made.set_generation(slot.next_generation());
    made.set_restarts(wanted.restarts);
    made.set_of_update(wanted.of_update);
    made.set_of_rebalance(wanted.of_rebalance);
    if (!wanted.node_id.empty()) { made.set_node_id(wanted.node_id); }
    return tx.put(std::move(made));
}

std::optional<Instant> supervise(Tx& tx, const pb::Service& service, const Slot& slot) {
    return Supervision(tx, service, slot, Nodes::Matter).run();
}

std::optional<Instant> supervise_on_node(Tx& tx, const pb::Service& service, const Slot& slot) {
    return Supervision(tx, service, slot, Nodes::DoNotMatter).run();
}

} // namespace shoal::swarm
