// Stopping, killing, restarting, pausing. None of these holds the container's lock while it waits
// for the exit: watch() needs it to bury the run, and a kill must get through while a stop is
// waiting.
#include "engine/containers_impl.h"

#include <csignal>

namespace shoal::engine {
namespace {

Error not_running(const Entry& entry) {
    return conflict("container " + entry.id().text() + " is not running");
}

Result<int> signal_number(const std::string& text) {
    const int number = container::parse_signal(text);
    if (number <= 0) { return invalid("invalid signal: " + text); }
    return number;
}

} // namespace

Result<void> Containers::Impl::send_signal(Entry& entry, int signal) {
    auto sent = container::signal_container(entry.init, signal);
    const Container& container = *entry.record;
    if (sent) { publish(container, "kill", {{"signal", std::to_string(signal)}}); }
    // A frozen container takes its signal when it is thawed.
    if (sent && container.state.status == Status::Paused) {
        (void)container::resume_container(cgroup(container));
        entry.record->state.status = Status::Running;
        ++entry.record->generation;
        publish(container, "unpause");
    }
    return sent;
}

net::Task<bool> Containers::Impl::wait_exit(EntryPtr entry, std::uint64_t exits, net::Until until) {
    while (entry->exits == exits && entry->record->state.running()) {
        const net::Wake wake = co_await entry->changed.wait(until);
        if (wake != net::Wake::Raised) {
            co_return entry->exits != exits || !entry->record->state.running();
        }
    }
    co_return true;
}

void Containers::Impl::cancel_restart(Entry& entry) {
    if (entry.restart_wait) { entry.restart_wait->cancel(); }
    entry.restart_wait.reset();
}

net::Task<Result<void>> Containers::Impl::kill_hard(EntryPtr entry) {
    const std::uint64_t exits = entry->exits;
    auto sent = send_signal(*entry, SIGKILL);
    if (!sent && sent.error().code != Errc::NotFound) { co_return sent; }
    const net::Until until(Deadline::in(kill_limit));
    bool ended = co_await wait_exit(entry, exits, until);
    if (!ended) {
        // The first process is dead and its monitor is not telling, or something in the group
        // cannot die.
        auto job = [group = cgroup(*entry->record)] { return group.kill_all(); };
        auto killed = co_await env.pool.run(std::move(job));
        (void)killed; // what counts is whether it ends now
        const net::Until again(Deadline::in(kill_limit));
        ended = co_await wait_exit(entry, exits, again);
    }
    if (!ended) {
        co_return Error{Errc::Timeout,
                        "container " + entry->id().text() + " does not end after SIGKILL"};
    }
    co_return ok();
}

net::Task<Result<void>> Containers::Impl::stop(EntryPtr entry, std::string signal,
                                               std::optional<std::chrono::milliseconds> grace) {
    Container& container = *entry->record;
    if (signal.empty()) {
        signal = container.config.stop_signal.empty() ? "SIGTERM" : container.config.stop_signal;
    }
    CO_TRY_LET(number, signal_number(signal));
    if (container.state.status == Status::Restarting) {
        auto guard = co_await entry->lock.acquire();
        cancel_restart(*entry);
        if (container.state.status == Status::Restarting) {
            container.state.status = Status::Exited;
            container.manually_stopped = true;
            (void)save(*entry);
            entry->changed.wake_all();
            publish(container, "stop");
            co_return ok();
        }
    }
    if (!container.state.running()) {
        co_return Error{Errc::NotModified, "container is already stopped"};
    }

    entry->stopping = true;
    container.manually_stopped = true;
    (void)save(*entry);
    const std::uint64_t exits = entry->exits;
    const std::chrono::seconds own(container.config.stop_timeout.value_or(stop_timeout_default_s));
    const std::chrono::milliseconds patience = grace.value_or(own);
    auto sent = send_signal(*entry, number);
    if (!sent && sent.error().code != Errc::NotFound) { co_return sent; }
    const Deadline deadline =
        patience < std::chrono::milliseconds(0) ? Deadline::never() : Deadline::in(patience);
    const bool ended = co_await wait_exit(entry, exits, net::Until(deadline));
    if (!ended) { CO_TRY(co_await kill_hard(entry)); }
    publish(container, "stop");
    co_return ok();
}

net::Task<Result<void>> Containers::Impl::restart(EntryPtr entry, std::string signal,
                                                  std::optional<std::chrono::milliseconds> grace) {
    entry->kept = true;
    auto stopped = co_await stop(entry, std::move(signal), grace);
    if (stopped) {
        // The exit is recorded before it is cleaned up; only then may `kept` go.
        auto guard = co_await entry->lock.acquire();
    }
    entry->kept = false;
    if (!stopped && stopped.error().code != Errc::NotModified) { co_return stopped; }
    auto started = co_await start(entry);
    if (!started && started.error().code == Errc::NotModified) { co_return ok(); }
    if (started) { publish(*entry->record, "restart"); }
    co_return started;
}

net::Task<Result<void>> Containers::Impl::kill(EntryPtr entry, std::string signal) {
    Container& container = *entry->record;
    if (signal.empty()) { signal = "SIGKILL"; }
    CO_TRY_LET(number, signal_number(signal));
    if (container.state.status == Status::Restarting) {
        co_return conflict("Container " + container.id.text() +
                           " is restarting, wait until the container is running");
    }
    if (!container.state.running()) { co_return not_running(*entry); }
    const int stop_signal = container::parse_signal(
        container.config.stop_signal.empty() ? "SIGTERM" : container.config.stop_signal);
    if (number == SIGKILL || number == stop_signal) {
        entry->stopping = true;
        container.manually_stopped = true;
    }
    if (number == SIGKILL) { co_return co_await kill_hard(entry); }
    auto sent = send_signal(*entry, number);
    if (!sent && sent.error().code == Errc::NotFound) { co_return not_running(*entry); }
    co_return sent;
}

net::Task<Result<void>> Containers::Impl::pause(EntryPtr entry, bool frozen) {
    auto guard = co_await entry->lock.acquire();
    Container& container = *entry->record;
    const Status status = container.state.status;
    if (status == Status::Restarting) {
        co_return conflict("Container " + container.id.text() +
                           " is restarting, wait until the container is running");
    }
    if (!container.state.running()) {
        co_return conflict("Container " + container.id.text() + " is not running");
    }
    if (frozen && status == Status::Paused) {
        co_return conflict("Container " + container.id.text() + " is already paused");
    }
    if (!frozen && status != Status::Paused) {
        co_return internal("Container " + container.id.text() +
                           " is not paused"); // 500 is Docker's
    }
    auto job = [group = cgroup(container), frozen] {
        return frozen ? container::pause_container(group) : container::resume_container(group);
    };
    CO_TRY(co_await env.pool.run(std::move(job)));
    if (!container.state.running()) { co_return ok(); } // it ended meanwhile
    container.state.status = frozen ? Status::Paused : Status::Running;
    (void)save(*entry);
    publish(container, frozen ? "pause" : "unpause");
    co_return ok();
}

} // namespace shoal::engine
