// Health checks: the pure state machine of container/health.h, fed with the results of real probes.
#include "engine/containers_impl.h"

#include "net/loop.h"

namespace shoal::engine {

// A spawned task begins a turn later, when the run may have ended already: the token of its end is
// made here.
void Containers::Impl::watch_run(const EntryPtr& entry) {
    entry->run = std::make_unique<net::Cancel>();
    auto ended = std::make_unique<net::Cancel>(*entry->run);
    ended->follow(scope.cancel());
    Container& container = *entry->record;
    const container::HealthPlan plan =
        container::plan_health(container.config.healthcheck, container.config.shell);
    container.health = {};
    if (plan.enabled) { container.health = container::begin_health(plan); }
    ++container.generation;
    scope.spawn(watch(entry, entry->shim));
    scope.spawn(watch_health(entry, std::move(ended)));
}

net::Task<void> Containers::Impl::watch_health(EntryPtr entry, std::unique_ptr<net::Cancel> ended) {
    net::Cancel& cancel = *ended;
    Container& container = *entry->record;
    const container::HealthPlan plan =
        container::plan_health(container.config.healthcheck, container.config.shell);
    if (!plan.enabled) { co_return; }
    const Instant started = container.state.started_at;
    while (!cancel.cancelled()) {
        const nanoseconds wait =
            container::next_probe_in(plan, container.health, started, env.clock.now());
        const net::Until next(Deadline::in(wait), cancel);
        const net::Wake wake = co_await net::sleep(env.loop, next);
        if (wake == net::Wake::Cancelled) { co_return; }
        if (container.state.status == Status::Paused) { continue; }
        container::HealthResult result = co_await probe(entry, plan, &cancel);
        if (cancel.cancelled()) { co_return; }
        const bool changed =
            container::apply_probe(plan, container.health, started, std::move(result));
        ++container.generation;
        entry->changed.wake_all();
        if (changed) {
            publish(container, "health_status: " + container::to_text(container.health.status));
        }
    }
}

net::Task<container::HealthResult>
Containers::Impl::probe(EntryPtr entry, container::HealthPlan plan, net::Cancel* cancel) {
    container::HealthResult result;
    result.start = env.clock.now();
    result.exit_code = -1;
    container::ExecConfig config;
    config.cmd = plan.command;
    config.attach_stdout = true;
    config.attach_stderr = true;
    const net::Until until(Deadline::in(plan.timeout), *cancel);
    auto created = co_await exec_create(entry, std::move(config));
    if (!created) {
        result.end = env.clock.now();
        result.output = created.error().message;
        co_return result;
    }
    const ExecEntryPtr exec = execs.at(created->text());
    auto attached = co_await exec_start(exec, false);
    if (!attached) {
        result.end = env.clock.now();
        result.output = attached.error().message;
        co_return result;
    }
    const AttachmentPtr streams = std::move(*attached);
    bool timed_out = false;
    for (;;) {
        auto output = co_await streams->read(until);
        if (!output) {
            timed_out = output.error().code == Errc::Timeout;
            break;
        }
        if (output->data.empty()) { break; }
        const std::size_t room = container::health_output_bytes_max -
                                 std::min(container::health_output_bytes_max, result.output.size());
        result.output += output->data.substr(0, room);
    }
    result.end = env.clock.now();
    if (timed_out) {
        if (exec->shim) {
            const net::Until soon(Deadline::in(command_limit));
            const std::string payload = container::encode_signal(9);
            auto killed = co_await exec->shim->request(container::Frame::Signal, payload, soon);
            (void)killed; // it may have ended by itself meanwhile
        }
        co_return container::timed_out_probe(plan, result.start, result.end, result.output);
    }
    result.exit_code = exec->record->exit_code.value_or(-1);
    co_return result;
}

} // namespace shoal::engine
