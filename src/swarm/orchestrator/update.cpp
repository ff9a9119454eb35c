#include "swarm/orchestrator/update.h"

#include "swarm/orchestrator/restart.h"

namespace shoal::swarm {
namespace {

using Status = pb::UpdateStatus;

bool is_rollback(const pb::Service& service) {
    const auto state = service.update_status().state();
    return state == Status::ROLLBACK_STARTED || state == Status::ROLLBACK_PAUSED ||
           state == Status::ROLLBACK_COMPLETED;
}

bool is_of_version(const pb::Service& service, const pb::Task& task) {
    return task.spec_version().index() == service.spec_version().index();
}

/// The status speaks of the present specification.
bool is_status_current(const pb::Service& service) {
    return service.update_status().has_spec_version() &&
           service.update_status().spec_version().index() == service.spec_version().index();
}

/// Made by the update to the present specification.
bool is_made(const pb::Service& service, const pb::Task& task) {
    return task.of_update() && is_of_version(service, task);
}

bool has_failed(const pb::Task& task, const UpdateRules& rules, Instant now) {
    if (!has_ended_by_itself(task)) { return false; }
    const auto began = running_since(task, now);
    return !began || ended_at(task, now).value_or(now) - *began <= rules.watched();
}

/// A clock that was set back must not stretch the update: what is in the future happened now.
TaskPtr with_past_times(Tx& tx, const TaskPtr& task) {
    const auto now = tx.now();
    const bool began_later =
        task->has_running_since() && from_timestamp(task->running_since()) > now;
    const bool ended_later =
        task->status().has_applied_at() && from_timestamp(task->status().applied_at()) > now;
    if (!began_later && !ended_later) { return task; }
    pb::Task changed = *task;
    if (began_later) { *changed.mutable_running_since() = to_timestamp(now); }
    if (ended_later) { *changed.mutable_status()->mutable_applied_at() = to_timestamp(now); }
    return tx.put(std::move(changed));
}

/// One look at a service's update.
class Update {
  public:
    Update(Tx& tx, const pb::Service& service, const std::vector<const Slot*>& slots)
        : tx_(tx), now_(tx.now()), service_(service), rules_(update_rules(service)), slots_(slots),
          comparison_(tx.store(), service_) {}

    void judge() {
        if (!is_status_current(service_) || !is_updating(service_)) { return; }
        for (const auto* slot : slots_) { take_stock(*slot); }
        if (is_failing()) { act_on_failure(); }
    }

    std::optional<Instant> run() {
        find_outdated();
        if (!is_begun() && !begin()) { return std::nullopt; }
        if (!is_updating(service_)) { return std::nullopt; }
        for (const auto* slot : slots_) { take_stock(*slot); }
        if (is_failing() && act_on_failure()) { return std::nullopt; }
        update_more_slots();
        if (outdated_.empty() && unfinished_ == 0) { finish_when_watched(); }
        return next_;
    }

  private:
    bool is_begun() const {
        const auto& status = service_.update_status();
        if (is_status_current(service_)) { return true; }
        // Whoever keeps no versions has said how it stands, and that it is at its end.
        return !status.has_spec_version() && status.state() != Status::UNKNOWN &&
               !is_updating(service_);
    }

    bool begin() {
        auto& status = *service_.mutable_update_status();
        const bool asked = is_updating(service_) && !status.has_spec_version();
        const bool left_over = is_updating(service_) && status.has_spec_version();
        if (outdated_.empty() && !asked && !left_over) { return false; }
        if (!asked) {
            status.Clear();
            status.set_state(Status::UPDATING);
        }
        if (status.message().empty()) { status.set_message("update in progress"); }
        if (!status.has_started_at()) { *status.mutable_started_at() = to_timestamp(now_); }
        status.set_slots(outdated_.size());
        status.mutable_spec_version()->set_index(service_.spec_version().index());
        rules_ = update_rules(service_);
        tx_.put(service_);
        return true;
    }

    void find_outdated() {
        for (const auto* slot : slots_) {
            if (is_outdated(service_, *slot, comparison_)) { outdated_.push_back(slot); }
        }
    }

    /// What the slot's tasks made by this update say of it.
    void take_stock(const Slot& slot) {
        TaskPtr last;
        bool failed = false;
        for (const auto& held : slot.tasks) {
            if (!is_made(service_, *held)) { continue; }
            last = with_past_times(tx_, held);
            if (has_failed(*last, rules_, now_)) {
                failed = true;
                note_failure(*last);
            }
        }
        failures_ += failed ? 1 : 0;
        if (last) { note_progress(*last); }
    }

    void note_failure(const pb::Task& task) {
        const auto at = ended_at(task, now_).value_or(now_);
        if (failed_task_.empty() || at >= failed_at_) {
            failed_task_ = task.id();
            failed_at_ = at;
        }
    }

    void note_progress(const pb::Task& task) {
        const auto ended = ended_at(task, now_);
        const auto began = ended || is_up(task) ? running_since(task, now_) : std::nullopt;
        const auto done = began ? began : ended;
        if (!done) {
            if (is_wanted(task)) {
                ++unfinished_;
                ++busy_;
            }
            return;
        }
        last_done_ = std::max(last_done_.value_or(*done), *done);
        if (*done + rules_.delay > now_) {
            ++busy_;
            wake(*done + rules_.delay);
        }
    }

    bool is_failing() const {
        const auto all = std::max<double>(1, static_cast<double>(service_.update_status().slots()));
        return failures_ > 0 && static_cast<double>(failures_) / all > rules_.failure_ratio_max;
    }

    /// True when the update does not go on.
    bool act_on_failure() {
        if (rules_.on_failure == pb::UpdateConfig::CONTINUE) { return false; }
        if (rules_.on_failure == pb::UpdateConfig::ROLLBACK && !is_rollback(service_) &&
            service_.has_previous_spec()) {
            roll_back();
        } else {
            pause();
        }
        tx_.put(service_);
        return true;
    }

    void pause() {
        auto& status = *service_.mutable_update_status();
        const bool rollback = is_rollback(service_);
        status.set_state(rollback ? Status::ROLLBACK_PAUSED : Status::PAUSED);
        status.set_message(std::string(rollback ? "rollback" : "update") +
                           " paused due to failure or early termination of task " + failed_task_);
    }

    /// The way back is an update of its own.
    void roll_back() {
        service_.mutable_spec_version()->set_index(service_.spec_version().index() + 1);
        *service_.mutable_spec() = service_.previous_spec();
        service_.clear_previous_spec();
        service_.clear_previous_spec_version();
        auto& status = *service_.mutable_update_status();
        status.Clear();
        status.set_state(Status::ROLLBACK_STARTED);
        *status.mutable_started_at() = to_timestamp(now_);
        status.set_message("update rolled back due to failure or early termination of task " +
                           failed_task_);
        status.mutable_spec_version()->set_index(service_.spec_version().index());
        SpecComparison comparison(tx_.store(), service_);
        status.set_slots(static_cast<std::uint64_t>(
            std::count_if(slots_.begin(), slots_.end(), [&](const Slot* slot) {
                return slot->is_wanted() && is_outdated(service_, *slot, comparison);
            })));
    }

    void update_more_slots() {
        const auto at_once = rules_.parallelism == 0 ? UINT64_MAX : rules_.parallelism;
        auto next = outdated_.begin();
        for (; next != outdated_.end() && busy_ < at_once; ++next, ++busy_) {
            if (!has_room(tx_)) {
                wake(now_);
                break;
            }
            update_slot(tx_, service_, **next);
            ++unfinished_;
        }
        outdated_.erase(outdated_.begin(), next);
    }

    void finish_when_watched() {
        auto& status = *service_.mutable_update_status();
        const auto started = std::min(from_timestamp(status.started_at()), now_);
        const auto end = last_done_.value_or(started) + rules_.watched();
        if (status.slots() > 0 && end > now_) { return wake(end); }
        const bool rollback = is_rollback(service_);
        status.set_state(rollback ? Status::ROLLBACK_COMPLETED : Status::COMPLETED);
        status.set_message(rollback ? "rollback completed" : "update completed");
        *status.mutable_completed_at() = to_timestamp(now_);
        next_.reset();
        tx_.put(service_);
    }

    void wake(Instant at) { next_ = earlier(next_, at); }

    Tx& tx_;
    const Instant now_;
    pb::Service service_;
    UpdateRules rules_;
    const std::vector<const Slot*>& slots_;
    SpecComparison comparison_;
    std::vector<const Slot*> outdated_;
    std::uint64_t busy_ = 0;       ///< slots that take up one of the update's parallel places
    std::uint64_t unfinished_ = 0; ///< those whose new task neither runs nor has ended
    std::uint64_t failures_ = 0;
    std::string failed_task_;
    Instant failed_at_;
    std::optional<Instant> last_done_;
    std::optional<Instant> next_;
};

} // namespace

nanoseconds UpdateRules::watched() const {
    return delay >= monitor ? delay + std::chrono::seconds(1) : monitor;
}

UpdateRules update_rules(const pb::Service& service) {
    UpdateRules rules;
    const auto& spec = service.spec();
    if (is_rollback(service) ? !spec.has_rollback() : !spec.has_update()) { return rules; }
    const auto& config = is_rollback(service) ? spec.rollback() : spec.update();
    rules.parallelism = config.parallelism();
    rules.delay = from_duration(config.delay());
    if (config.has_monitor()) { rules.monitor = from_duration(config.monitor()); }
    rules.failure_ratio_max = static_cast<double>(config.max_failure_ratio());
    rules.on_failure = config.failure_action();
    rules.order = config.order();
    return rules;
}

std::optional<Instant> continue_update(Tx& tx, const pb::Service& service,
                                       const std::vector<const Slot*>& slots) {
    return Update(tx, service, slots).run();
}

void judge_update(Tx& tx, const pb::Service& service, const Slots& slots) {
    std::vector<const Slot*> all;
    for (const auto& [key, slot] : slots) { all.push_back(&slot); }
    Update(tx, service, all).judge();
}

namespace {

bool stop_all(Tx& tx, const std::vector<TaskPtr>& tasks) {
    bool changed = false;
    for (const auto& task : tasks) {
        pb::Task stopped = *task;
        if (!stop(stopped, pb::SHUTDOWN, tx.now())) { continue; }
        tx.put(std::move(stopped));
        changed = true;
    }
    return changed;
}

/// One that runs, or the oldest.
std::vector<TaskPtr> all_but_the_best(std::vector<TaskPtr> tasks) {
    const auto runs =
        std::find_if(tasks.begin(), tasks.end(), [](const TaskPtr& task) { return is_up(*task); });
    tasks.erase(runs == tasks.end() ? tasks.begin() : runs);
    return tasks;
}

} // namespace

bool stop_surplus(Tx& tx, const pb::Service& service, const Slot& slot) {
    std::vector<TaskPtr> outdated;
    std::vector<TaskPtr> current;
    SpecComparison comparison(tx.store(), service);
    const auto live = std::count_if(slot.tasks.begin(), slot.tasks.end(), [](const auto& task) {
        return is_wanted(*task) && !is_over(*task);
    });
    if (live < 2) { return false; }
    for (const auto& task : slot.tasks) {
        if (!is_wanted(*task) || is_over(*task)) { continue; }
        (comparison.is_dirty(*task) ? outdated : current).push_back(task);
    }
    if (current.empty()) { return false; }
    const bool runs = std::any_of(current.begin(), current.end(),
                                  [](const TaskPtr& task) { return is_up(*task); });
    const bool at_once = update_rules(service).order == pb::UpdateConfig::STOP_FIRST;
    const bool stopped = (at_once || runs) && stop_all(tx, outdated);
    if (service.rebalance().state() == pb::Rebalance::REQUESTED) { return stopped; }
    return stop_all(tx, all_but_the_best(std::move(current))) || stopped;
}

bool is_updated(const pb::Service& service) {
    const auto state = service.update_status().state();
    return is_status_current(service) &&
           (state == Status::COMPLETED || state == Status::ROLLBACK_COMPLETED);
}

bool is_outdated(const pb::Service& service, const Slot& slot, SpecComparison& comparison) {
    bool wanted = false;
    for (const auto& task : slot.tasks) {
        if (is_made(service, *task)) { return false; }
        if (!is_wanted(*task)) { continue; }
        wanted = true;
        if (!comparison.is_dirty(*task)) { return false; }
    }
    return wanted || (!slot.tasks.empty() && comparison.is_dirty(slot.newest()));
}

void update_slot(Tx& tx, const pb::Service& service, const Slot& slot) {
    NewTask made;
    made.of_update = true;
    if (update_rules(service).order == pb::UpdateConfig::STOP_FIRST) {
        made.desired = pb::READY;
        for (const auto& task : slot.tasks) {
            if (!is_wanted(*task)) { continue; }
            pb::Task stopped = *task;
            if (stop(stopped, pb::SHUTDOWN, tx.now())) { tx.put(std::move(stopped)); }
        }
    }
    put_new_task(tx, service, slot, made);
}

bool is_needed_by_update(const pb::Service& service, const pb::Task& task) {
    return is_updating(service) && is_made(service, task);
}

} // namespace shoal::swarm
