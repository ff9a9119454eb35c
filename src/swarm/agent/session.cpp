#include "swarm/agent/session.h"

#include "net/sleep.h"
#include "swarm/agent/log_publisher.h"
#include "swarm/agent/map_follower.h"

namespace shoal::swarm {
namespace {

constexpr auto session_method = "/docker.swarmkit.v1.Dispatcher/Session";
constexpr auto heartbeat_method = "/docker.swarmkit.v1.Dispatcher/Heartbeat";
constexpr auto assignments_method = "/docker.swarmkit.v1.Dispatcher/Assignments";
constexpr auto status_method = "/docker.swarmkit.v1.Dispatcher/UpdateTaskStatus";
constexpr std::size_t statuses_max = 1000; ///< in one call

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
constexpr nanoseconds period_default = 5s;
constexpr nanoseconds period_min = 100ms;
constexpr nanoseconds period_max = 60s;
constexpr nanoseconds silence_min = 1500ms;
constexpr nanoseconds silence_max = 5s;
constexpr nanoseconds reopen_pause = 100ms;
constexpr nanoseconds report_pause = 1s;
constexpr nanoseconds goodbye_limit = 1s;

/// How long a manager may take to answer a heartbeat.
nanoseconds silence_limit(nanoseconds period, int patience) {
    return std::min(patience * std::clamp(period, silence_min, silence_max), silence_max);
}

nanoseconds period_in(const pb::HeartbeatResponse& answer) {
    const auto asked = from_duration(answer.period());
    return asked <= 0s ? period_default : std::clamp(asked, period_min, period_max);
}

Error ended_by_manager(std::string_view what) {
    return {Errc::Unavailable, "the manager ended the " + std::string(what)};
}

} // namespace

void PendingStatuses::add(const std::string& task_id, const pb::TaskStatus& status) {
    waiting_[task_id] = status;
    added.raise();
}

std::vector<Worker::Status> PendingStatuses::take(std::size_t count_max) {
    std::vector<Worker::Status> taken;
    while (!waiting_.empty() && taken.size() < count_max) {
        const auto first = waiting_.begin();
        taken.push_back({first->first, std::move(first->second)});
        waiting_.erase(first);
    }
    under_way_ = taken.size();
    return taken;
}

void PendingStatuses::confirm() {
    under_way_ = 0;
    if (empty()) { idle.wake_all(); }
}

void PendingStatuses::put_back(std::vector<Worker::Status> taken) {
    under_way_ = 0;
    for (auto& [id, status] : taken) { waiting_.emplace(id, std::move(status)); }
}

bool fits(const pb::AssignmentsMessage& message, std::string_view received) {
    return message.type() == pb::AssignmentsMessage::COMPLETE || message.applies_to() == received;
}

AgentSession::AgentSession(Parts parts, Settings settings)
    : with_(std::move(parts)), settings_(std::move(settings)), ended_(with_.loop),
      scope_(with_.loop) {}

net::Task<Result<void>> AgentSession::run(net::Until until) {
    const auto limit = until.no_later_than(with_.loop.in(settings_.answer_timeout));
    CO_TRY(co_await open(limit));
    for (const auto& [id, status] : with_.worker.statuses()) { with_.pending.add(id, status); }
    begin_parts();
    const auto wake = co_await ended_.wait(until);
    if (wake != net::Wake::Raised) { co_await say_goodbye(); }
    co_await scope_.close();
    messages_->cancel();
    if (wake != net::Wake::Raised) { co_return ok(); }
    co_return *outcome_;
}

net::Task<Result<pb::NodeDescription>> AgentSession::describe(net::Until until) {
    CO_TRY_LET(description, co_await with_.executor.describe(until));
    if (with_.tls_info) { *description.mutable_tls_info() = with_.tls_info(); }
    description.set_shoal_version(settings_.shoal_version);
    description.set_data_path_address(settings_.data_path_address);
    co_return std::move(description);
}

net::Task<Result<void>> AgentSession::open(net::Until until) {
    pb::SessionRequest request;
    CO_TRY_LET(description, co_await describe(until));
    description_ = stable_bytes(description);
    *request.mutable_description() = std::move(description);
    request.set_run(settings_.run);
    CO_TRY_LET(call, with_.channel.open(session_method));
    messages_ = std::move(call);
    registration_sent_ = true;
    auto bytes = print_message(request);
    const auto written = co_await messages_->write(std::move(bytes), until);
    if (written) { CO_TRY(messages_->finish_writing()); }
    CO_TRY_LET(first, co_await read_message(until));
    if (first.session_id().empty()) { co_return invalid("the manager gave no session id"); }
    id_ = first.session_id();
    manager_is_shoal_ = !first.shoal_version().empty();
    take_message(first);
    co_return ok();
}

void AgentSession::begin_parts() {
    const net::Until until(scope_.cancel());
    scope_.spawn(part(read_messages(until)));
    scope_.spawn(part(beat(until)));
    scope_.spawn(part(follow_assignments(until)));
    scope_.spawn(part(report_statuses(until)));
    scope_.spawn(part(watch_description(until)));
    scope_.spawn(part(publish_logs(until)));
    if (manager_is_shoal_) { scope_.spawn(part(follow_networks(until))); }
}

/// The first part that ends, ends all of it.
net::Task<void> AgentSession::part(net::Task<Result<void>> what) {
    auto outcome = co_await std::move(what);
    if (!outcome_) { outcome_ = std::move(outcome); }
    ended_.set();
}

net::Task<Result<pb::SessionMessage>> AgentSession::read_message(net::Until until) {
    CO_TRY_LET(bytes, co_await messages_->read(until));
    if (!bytes) { co_return ended_by_manager("session"); }
    co_return parse_message<pb::SessionMessage>(*bytes, session_method);
}

net::Task<Result<void>> AgentSession::read_messages(net::Until until) {
    for (;;) {
        CO_TRY_LET(message, co_await read_message(until));
        take_message(message);
    }
}

void AgentSession::take_message(const pb::SessionMessage& message) {
    if (message.has_node()) { with_.executor.configure(message.node()); }
    if (with_.told) { with_.told(message); }
}

net::Task<Result<void>> AgentSession::beat(net::Until until) {
    pb::HeartbeatRequest request;
    request.set_session_id(id_);
    auto patience = silence_limit(settings_.answer_timeout, settings_.patience);
    for (;;) {
        const auto limit = until.no_later_than(with_.loop.in(patience));
        CO_TRY_LET(answer, co_await with_.channel.call<pb::HeartbeatResponse>(heartbeat_method,
                                                                              request, limit));
        const auto period = period_in(answer);
        patience = silence_limit(period, settings_.patience);
        const auto wake =
            co_await net::sleep(with_.loop, until.no_later_than(with_.loop.in(period)));
        if (wake == net::Wake::Cancelled) { co_return net::to_result(wake, "heartbeat"); }
    }
}

net::Task<Result<void>> AgentSession::follow_assignments(net::Until until) {
    for (;;) {
        CO_TRY(co_await follow_one_stream(until));
        // There was a gap. A new stream begins with a complete set.
        const auto wake =
            co_await net::sleep(with_.loop, until.no_later_than(with_.loop.in(reopen_pause)));
        if (wake == net::Wake::Cancelled) { co_return net::to_result(wake, "assignments"); }
    }
}

/// Success: an increment did not fit.
net::Task<Result<void>> AgentSession::follow_one_stream(net::Until until) {
    CO_TRY_LET(call, with_.channel.open(assignments_method));
    pb::AssignmentsRequest request;
    request.set_session_id(id_);
    auto asked = print_message(request);
    const auto written = co_await call->write(std::move(asked), until);
    if (written) { CO_TRY(call->finish_writing()); }
    with_.worker.begin_stream();
    std::string received;
    for (;;) {
        CO_TRY_LET(bytes, co_await call->read(until));
        if (!bytes) { co_return ended_by_manager("assignments"); }
        CO_TRY_LET(message, parse_message<pb::AssignmentsMessage>(*bytes, assignments_method));
        if (!fits(message, received)) { co_return ok(); }
        with_.worker.apply(message);
        received = message.results_in();
    }
}

net::Task<Result<void>> AgentSession::report_statuses(net::Until until) {
    for (;;) {
        while (with_.pending.waiting() == 0) {
            const auto wake = co_await with_.pending.added.wait(until);
            CO_TRY(net::to_result(wake, "report task states"));
        }
        auto taken = with_.pending.take(statuses_max);
        const auto limit = until.no_later_than(with_.loop.in(settings_.answer_timeout));
        auto outcome = co_await report(taken, limit);
        if (outcome) {
            with_.pending.confirm();
            continue;
        }
        with_.pending.put_back(std::move(taken));
        // A manager that is alive and cannot write at present will take them later; whether it is
        // alive, heartbeats tell.
        if (until.cancelled() || outcome.error().code != Errc::Timeout) { co_return outcome; }
        co_await net::sleep(with_.loop, until.no_later_than(with_.loop.in(report_pause)));
    }
}

net::Task<Result<void>> AgentSession::report(const std::vector<Worker::Status>& updates,
                                             net::Until until) {
    pb::UpdateTaskStatusRequest request;
    request.set_session_id(id_);
    for (const auto& [id, status] : updates) {
        auto& update = *request.add_updates();
        update.set_task_id(id);
        *update.mutable_status() = status;
    }
    CO_TRY_LET(answer, co_await with_.channel.call<pb::UpdateTaskStatusResponse>(status_method,
                                                                                 request, until));
    (void)answer;
    co_return ok();
}

net::Task<Result<void>> AgentSession::watch_description(net::Until until) {
    for (;;) {
        const auto next = until.no_later_than(with_.loop.in(settings_.describe_every));
        const auto wake = co_await with_.describe_now.wait(next);
        if (wake == net::Wake::Cancelled) { co_return net::to_result(wake, "description"); }
        const auto limit = until.no_later_than(with_.loop.in(settings_.answer_timeout));
        const auto description = co_await describe(limit);
        if (!description || stable_bytes(*description) == description_) { continue; }
        description_changed_ = true;
        co_return Error{Errc::Cancelled, "the node's description has changed"};
    }
}

net::Task<Result<void>> AgentSession::publish_logs(net::Until until) {
    LogPublisher publisher(with_.loop, with_.worker, with_.channel, settings_.node_id);
    co_return co_await publisher.run(until);
}

net::Task<Result<void>> AgentSession::follow_networks(net::Until until) {
    MapFollower::Settings settings;
    settings.answer_timeout = settings_.answer_timeout;
    MapFollower follower({with_.loop, with_.executor, with_.channel}, id_, settings);
    co_return co_await follower.run(until);
}

/// So that the manager does not take a restart for a loss.
net::Task<void> AgentSession::say_goodbye() {
    if (!manager_is_shoal_ || settings_.absence <= 0s) { co_return; }
    pb::HeartbeatRequest request;
    request.set_session_id(id_);
    *request.mutable_absence() = to_duration(settings_.absence);
    const net::Until limit(with_.loop.in(goodbye_limit));
    const auto told =
        co_await with_.channel.call<pb::HeartbeatResponse>(heartbeat_method, request, limit);
    (void)told; // then it has to find out by itself
}

} // namespace shoal::swarm
