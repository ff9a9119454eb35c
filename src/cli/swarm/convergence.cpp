#include "cli/swarm/convergence.h"

#include "base/text.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/watch.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

constexpr std::int64_t bars_max = 20; ///< with more tasks only their number is shown
constexpr std::int64_t states_shown = 9, job_states_shown = 10;
constexpr std::size_t error_bytes_max = 75;
constexpr std::size_t widest_state = 9; ///< "preparing", "allocated"
constexpr int running_state = 9, complete_state = 10;

/// The order in which a task goes through its states; 0 for what is not known.
int number_of_state(std::string_view state) {
    constexpr std::string_view states[] = {
        "new",      "allocated", "pending",  "assigned", "accepted", "preparing", "ready",
        "starting", "running",   "complete", "shutdown", "failed",   "rejected"};
    const auto at = std::find(std::begin(states), std::end(states), state);
    return at == std::end(states) ? 0 : static_cast<int>(at - std::begin(states)) + 1;
}

std::string state_of(const Json& task) { return text_of(table_of(task, "Status"), "State"); }
int observed(const Json& task) { return number_of_state(state_of(task)); }
int desired(const Json& task) { return number_of_state(text_of(task, "DesiredState")); }
bool runs(const Json& task) {
    return desired(task) <= running_state && state_of(task) == "running";
}
bool is_known(const Json& task) { return observed(task) != 0 && desired(task) != 0; }

std::string short_error(const Json& task) {
    std::string text = replace_all(text_of(table_of(task, "Status"), "Err"), "\n", " ");
    if (text.size() > error_bytes_max) { text = text.substr(0, error_bytes_max - 1) + "…"; }
    return text;
}

/// Of two tasks in one place the one that is to live longer; then the one that is less far.
bool stays(const Json& there, const Json& task) {
    const int a = desired(there), b = desired(task);
    return a < b || (a == b && observed(there) <= observed(task));
}

bool is_of_iteration(const Json& task, const Json& service) {
    const Json& mine = table_of(task, "JobIteration");
    return has(task, "JobIteration") &&
           number_of(mine, "Index") ==
               number_of(inside(service, {"JobStatus", "JobIteration"}), "Index");
}

template <class Key> bool all_run(const std::map<Key, const Json*>& tasks) {
    return std::all_of(tasks.begin(), tasks.end(),
                       [](const auto& entry) { return state_of(*entry.second) == "running"; });
}

std::size_t digits_of(std::int64_t number) { return std::to_string(number).size(); }

} // namespace

void Convergence::say(std::string_view id, std::string_view text) {
    messages_.push_back(progress_message(id, text));
}

Result<Look> Convergence::begin(const Json& service, Instant now) {
    messages_.clear();
    if (const auto span = number_of(inside(service, {"Spec", "UpdateConfig"}), "Monitor")) {
        monitor_ = nanoseconds(span);
    }
    const Json& status = table_of(service, "UpdateStatus");
    const std::string state = text_of(status, "State"), message = text_of(status, "Message");
    if (state == "updating") {
        rollback_ = false;
    } else if (state == "completed" && !converged_) {
        return Look{{}, true};
    } else if (state == "paused") {
        return invalid("service update paused: " + message);
    } else if (state == "rollback_paused") {
        return invalid("service rollback paused: " + message);
    } else if (state == "rollback_started") {
        if (!rollback_ && !message.empty()) { say("rollback", message); }
        rollback_ = true;
    } else if (state == "rollback_completed") {
        if (!converged_) { last_words_ = plain_message("rollback", message); }
        rollback_ = true;
    }
    const bool stable = converged_ && now - converged_at_ >= monitor_;
    if (stable) {
        say("verify", fmt::format("Service {} converged", name_));
        if (last_words_) { messages_.push_back(*last_words_); }
    }
    return Look{std::exchange(messages_, {}), stable};
}

Result<Look> Convergence::look(const Json& service, const Json& tasks,
                               const std::set<std::string>& active_nodes, Instant now) {
    messages_.clear();
    active_ = &active_nodes;
    const Json& mode = inside(service, {"Spec", "Mode"});
    if (has(mode, "Replicated")) {
        converged_ = look_at_replicas(service, tasks);
    } else if (has(mode, "Global")) {
        converged_ = look_at_nodes(tasks);
    } else if (has(mode, "ReplicatedJob")) {
        converged_ = look_at_job(service, tasks);
    } else if (has(mode, "GlobalJob")) {
        converged_ = look_at_node_job(service, tasks);
    } else {
        return invalid("unrecognized service mode");
    }
    if (converged_ && has(service, "JobStatus")) { // a job that is done stays done
        messages_.push_back(plain_message("", "job complete"));
        return Look{std::exchange(messages_, {}), true};
    }
    if (converged_) {
        if (converged_at_ == Instant{}) { converged_at_ = now; }
        const nanoseconds left = monitor_ - (now - converged_at_);
        if (left.count() >= 0) {
            const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left).count() + 1;
            say("verify",
                fmt::format("Waiting {} seconds to verify that tasks are stable...", seconds));
        }
    } else {
        if (converged_at_ != Instant{}) { say("verify", "Detected task failure"); }
        converged_at_ = Instant{};
    }
    return Look{std::exchange(messages_, {}), false};
}

void Convergence::show_total(std::int64_t running, std::int64_t all) {
    say("overall progress", fmt::format("{}{} out of {} tasks",
                                        rollback_ ? "rolling back update: " : "", running, all));
}

void Convergence::show_task(const std::string& id, const Json& task) {
    if (const auto error = short_error(task); !error.empty()) {
        say(id, error);
    } else if (desired(task) <= running_state && observed(task) <= running_state) {
        messages_.push_back(progress_message(id,
                                             fmt::format("{:<{}}", state_of(task), widest_state),
                                             {observed(task), states_shown}));
    }
}

bool Convergence::look_at_replicas(const Json& service, const Json& tasks) {
    const auto replicas = number_of(inside(service, {"Spec", "Mode", "Replicated"}), "Replicas");
    if (!std::exchange(started_, true)) {
        show_total(0, replicas);
        for (std::int64_t i = 1; i <= replicas && replicas <= bars_max; ++i) {
            say(fmt::format("{}/{}", i, replicas), " ");
        }
    }
    std::map<std::int64_t, const Json*> by_slot;
    for (const Json& task : tasks) {
        const std::string node = text_of(task, "NodeID");
        const Json*& there = by_slot.try_emplace(number_of(task, "Slot"), nullptr).first->second;
        const bool lost = !node.empty() && !active_->contains(node);
        if (is_known(task) && !lost && (there == nullptr || !stays(*there, task))) {
            there = &task;
        }
    }
    std::erase_if(by_slot, [](const auto& entry) { return entry.second == nullptr; });
    if (done_ && !all_run(by_slot)) { done_ = false; }
    std::int64_t running = 0;
    for (const auto& [slot, task] : by_slot) {
        const auto place =
            slots_.try_emplace(slot, static_cast<std::int64_t>(slots_.size()) + 1).first->second;
        if (runs(*task)) { ++running; }
        if (!done_ && replicas <= bars_max && place <= replicas) {
            show_task(fmt::format("{}/{}", place, replicas), *task);
        }
    }
    if (!done_) {
        show_total(running, replicas);
        done_ = running == replicas;
    }
    return running == replicas;
}

bool Convergence::look_at_nodes(const Json& tasks) {
    std::map<std::string, const Json*> by_node;
    for (const Json& task : tasks) {
        if (!is_known(task)) { continue; }
        const Json*& there = by_node.try_emplace(text_of(task, "NodeID"), nullptr).first->second;
        if (there == nullptr || !stays(*there, task)) { there = &task; }
    }
    // All tasks are made at once, so their number says how many nodes there are for the service.
    const auto nodes = static_cast<std::int64_t>(by_node.size());
    if (!started_) {
        if (nodes == 0) {
            say("overall progress", "waiting for new tasks");
            return false;
        }
        show_total(0, nodes);
        started_ = true;
    }
    if (done_ && !all_run(by_node)) { done_ = false; }
    std::int64_t running = 0;
    for (const auto& [node, task] : by_node) {
        if (!active_->contains(node)) { continue; }
        if (runs(*task)) { ++running; }
        if (!done_ && nodes <= bars_max) { show_task(short_id(node), *task); }
    }
    if (!done_) {
        show_total(running, nodes);
        done_ = running == nodes;
    }
    return running == nodes;
}

void Convergence::show_job(std::int64_t completed) {
    messages_.push_back(progress_message(
        "job progress",
        fmt::format("{:>{}} out of {} complete", completed, digits_of(job_total_), job_total_),
        {completed, job_total_}));
}

void Convergence::show_job_task(const std::string& id, const Json& task) {
    if (job_total_ > bars_max) { return; }
    if (const auto error = short_error(task); !error.empty()) {
        say(id, error);
    } else {
        messages_.push_back(progress_message(id,
                                             fmt::format("{:<{}}", state_of(task), widest_state),
                                             {observed(task), job_states_shown}));
    }
}

bool Convergence::look_at_job(const Json& service, const Json& tasks) {
    const Json& job = inside(service, {"Spec", "Mode", "ReplicatedJob"});
    const auto concurrent = number_of(job, "MaxConcurrent");
    job_total_ = number_of(job, "TotalCompletions");
    const auto show_active = [&](std::int64_t active, std::int64_t completed) {
        const auto width = digits_of(concurrent);
        say("active tasks", fmt::format("{:>{}} out of {:>{}} tasks", active, width,
                                        std::min(job_total_ - completed, concurrent), width));
    };
    if (!std::exchange(started_, true)) {
        show_job(0);
        show_active(0, 0);
        for (std::int64_t i = 1; i <= job_total_ && job_total_ <= bars_max; ++i) {
            say(fmt::format("{}/{}", i, job_total_), " ");
        }
    }
    std::map<std::int64_t, const Json*> by_slot;
    for (const Json& task : tasks) {
        if (!is_of_iteration(task, service) || !is_known(task)) { continue; }
        const Json*& there = by_slot.try_emplace(number_of(task, "Slot"), nullptr).first->second;
        if (there == nullptr || observed(*there) > observed(task)) { there = &task; }
    }
    std::int64_t active = 0, completed = 0;
    for (const auto& [slot, task] : by_slot) {
        show_job_task(fmt::format("{}/{}", slot + 1, job_total_), *task);
        if (observed(*task) < complete_state) { ++active; }
        if (observed(*task) == complete_state) { ++completed; }
    }
    show_job(completed);
    show_active(active, completed);
    return completed == job_total_;
}

bool Convergence::look_at_node_job(const Json& service, const Json& tasks) {
    if (!started_) {
        if (tasks.empty() && !active_->empty()) {
            say("job progress", "waiting for tasks");
            return false;
        }
        // Nodes that join while it runs get a task too, but nobody waits for those here.
        for (const Json& task : tasks) {
            if (is_of_iteration(task, service)) { job_nodes_.insert(text_of(task, "NodeID")); }
        }
        job_total_ = static_cast<std::int64_t>(job_nodes_.size());
        show_job(0);
        started_ = true;
    }
    std::map<std::string, const Json*> by_node;
    for (const Json& task : tasks) {
        const std::string node = text_of(task, "NodeID");
        if (!is_of_iteration(task, service) || !job_nodes_.contains(node)) { continue; }
        const Json*& there = by_node.try_emplace(node, nullptr).first->second;
        if (there == nullptr || observed(*there) > observed(task)) { there = &task; }
    }
    std::int64_t completed = 0;
    for (const auto& [node, task] : by_node) {
        show_job_task(node, *task);
        if (observed(*task) == complete_state) { ++completed; }
    }
    show_job(completed);
    return completed == job_total_;
}

} // namespace shoal::cli::swarm
