#include "swarm/agent/task_runner.h"

#include <algorithm>

namespace shoal::swarm {

using Act = TaskStep::Act;

namespace {

/// Bytes of the UTF-8 character that `text` begins with; 0 when it is none.
std::size_t character_bytes(std::string_view text) {
    const auto byte = [&](std::size_t at) {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
    };
    const int lead = byte(0);
    if (lead < 0x80) { return 1; }
    if (lead < 0xc2 || lead > 0xf4) { return 0; }
    const std::size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    for (std::size_t at = 1; at < size; ++at) {
        if ((byte(at) & 0xc0) != 0x80) { return 0; }
    }
    const int second = byte(1);
    const bool wrong = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
                       (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90);
    return wrong ? 0 : size;
}

/// The protocol's strings are UTF-8; what programs say need not be.
std::string in_utf8(std::string text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto size = character_bytes(std::string_view(text).substr(at));
        if (size == 0) { text[at] = '?'; }
        at += std::max<std::size_t>(size, 1);
    }
    return text;
}

} // namespace

TaskStep plan_step(pb::TaskState state, pb::TaskState desired) {
    if (is_terminal(state)) { return {}; }
    if (desired >= pb::SHUTDOWN) { return {Act::Shutdown, pb::SHUTDOWN, "shutdown"}; }
    switch (state) { // what has been begun goes on, whatever is wanted
    case pb::PREPARING:
        return {Act::Prepare, pb::READY, "prepared"};
    case pb::STARTING:
        return {Act::Start, pb::RUNNING, "started"};
    case pb::RUNNING:
        return {Act::Wait, pb::COMPLETE, "finished"};
    default:
        break;
    }
    if (state >= desired) { return {}; }
    switch (state) {
    case pb::NEW:
    case pb::PENDING:
    case pb::ASSIGNED:
        return {Act::Enter, pb::ACCEPTED, "accepted"};
    case pb::ACCEPTED:
        return {Act::Enter, pb::PREPARING, "preparing"};
    case pb::READY:
        return {Act::Enter, pb::STARTING, "starting"};
    default:
        return {};
    }
}

TaskVerdict judge(const TaskStep& step, pb::TaskState state, const Result<void>& outcome) {
    if (outcome) { return {false, step.state, {}}; }
    switch (outcome.error().code) {
    case Errc::Unavailable:
    case Errc::Timeout:
    case Errc::Cancelled:
        return {true, state, outcome.error().message};
    default:
        return {false, state < pb::STARTING ? pb::REJECTED : pb::FAILED, outcome.error().message};
    }
}

TaskRunner::TaskRunner(net::Loop& loop, const Clock& clock, TaskPtr task,
                       std::shared_ptr<Controller> controller, Begin begin, Keep keep,
                       Settings settings)
    : loop_(loop), clock_(clock), task_(*task), controller_(std::move(controller)), begin_(begin),
      keep_(std::move(keep)), settings_(settings), changed_(loop) {}

TaskStep TaskRunner::next_step() const {
    const auto state = task_.status().state();
    const auto step = plan_step(state, removing_ ? pb::REMOVE : task_.desired_state());
    const bool held = begin_ == Begin::WhenConfirmed && step.act != Act::Shutdown;
    return held && state < pb::RUNNING ? TaskStep{} : step;
}

net::Task<void> TaskRunner::run(net::Until until) {
    while (!until.cancelled()) {
        const TaskStep step = next_step();
        if (step.act == Act::Rest) {
            if (removing_) { co_return co_await remove_all(until); }
            co_await changed_.wait(until);
        } else if (step.act == Act::Enter) {
            if (!enter(step.state, step.message, {})) { co_await pause(until); }
        } else {
            co_await take_step(step, until);
        }
    }
}

/// What has once been wanted does not go back: a new leader may hold back that a task is to stop.
void TaskRunner::update(TaskPtr task) {
    const pb::TaskStatus status = task_.status();
    const auto desired = std::max(task_.desired_state(), task->desired_state());
    task_ = *task;
    task_.set_desired_state(desired);
    *task_.mutable_status() = status;
    controller_->update(task_);
    changed_.raise();
}

void TaskRunner::confirm(TaskPtr task, std::shared_ptr<Controller> controller) {
    begin_ = Begin::Now;
    if (!touched_ && controller) { controller_ = std::move(controller); }
    update(std::move(task));
}

void TaskRunner::remove() {
    removing_ = true;
    changed_.raise();
}

/// False: it could not be kept, and nothing has changed.
bool TaskRunner::enter(pb::TaskState state, std::string_view message, const std::string& error) {
    pb::Task next = task_;
    pb::TaskStatus& status = *next.mutable_status();
    status.set_state(state);
    *status.mutable_timestamp() = to_timestamp(clock_.now());
    status.set_message(std::string(message));
    status.set_err(in_utf8(error));
    status.clear_applied_at();
    status.clear_applied_by();
    const auto seen = controller_->status();
    if (!seen.container.container_id().empty()) { *status.mutable_container() = seen.container; }
    if (seen.ports.ports_size() > 0) { *status.mutable_port_status() = seen.ports; }
    if (!keep_(next)) { return false; }
    task_ = std::move(next);
    return true;
}

net::Task<void> TaskRunner::pause(net::Until until) {
    co_await changed_.wait(until.no_later_than(loop_.in(settings_.retry)));
}

net::Task<void> TaskRunner::take_step(TaskStep step, net::Until until) {
    touched_ = true;
    const auto outcome = co_await attempt(step.act, until);
    if (!outcome) { co_return; } // something else is wanted now
    const auto verdict = judge(step, task_.status().state(), *outcome);
    if (verdict.again) { co_return co_await pause(until); }
    const std::string_view message = *outcome ? step.message : task_.status().message();
    while (!enter(verdict.state, message, verdict.error) && !until.cancelled()) {
        co_await pause(until); // the step is done; only its outcome is not kept yet
    }
}

struct TaskRunner::Running {
    net::Cancel cancel;
    std::optional<Result<void>> outcome;
};

net::Task<void> TaskRunner::perform(Act act, Running* running) {
    const net::Until until(running->cancel);
    Result<void> outcome = ok();
    switch (act) {
    case Act::Prepare:
        outcome = co_await controller_->prepare(until);
        break;
    case Act::Start:
        outcome = co_await controller_->start(until);
        break;
    case Act::Wait:
        outcome = co_await controller_->wait(until);
        break;
    case Act::Shutdown:
        outcome = co_await controller_->shutdown(until);
        break;
    case Act::Rest:
    case Act::Enter:
        break;
    }
    running->outcome = std::move(outcome);
    changed_.raise();
}

bool TaskRunner::interrupts(Act act) const {
    return act != Act::Shutdown && (removing_ || task_.desired_state() >= pb::SHUTDOWN);
}

/// Nothing: it was interrupted. A step that does not end when it is told to is dropped after a
/// while, so that it cannot keep a task from being stopped.
net::Task<std::optional<Result<void>>> TaskRunner::attempt(Act act, net::Until until) {
    Running running;
    net::TaskScope scope(loop_);
    scope.spawn(perform(act, &running));
    while (!running.outcome && !interrupts(act) && !until.cancelled()) {
        co_await changed_.wait(until);
    }
    if (!running.outcome) {
        running.cancel.cancel();
        const net::Until patience(loop_.in(settings_.patience));
        co_await scope.drain(patience);
        scope.destroy_all();
        const bool told = running.outcome && !*running.outcome &&
                          running.outcome->error().code != Errc::Cancelled;
        if (!running.outcome || (!*running.outcome && !told)) { co_return std::nullopt; }
    }
    co_return running.outcome;
}

net::Task<void> TaskRunner::remove_all(net::Until until) {
    auto wait = settings_.retry;
    while (!until.cancelled()) {
        const auto outcome = co_await controller_->remove(until);
        if (outcome) {
            removed_ = true;
            co_return;
        }
        co_await changed_.wait(until.no_later_than(loop_.in(wait)));
        wait = std::min(2 * wait, 30 * settings_.retry);
    }
}

} // namespace shoal::swarm
