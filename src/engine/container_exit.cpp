// The end of a run: noticed by watch(), recorded by bury(), cleaned up by release(), and perhaps
// the start of the next.
#include "engine/containers_impl.h"

#include "image/rootfs.h"
#include "os/file.h"
#include "os/mount.h"

#include <spdlog/spdlog.h>

#include <csignal>

namespace shoal::engine {
namespace {

void warn(const Entry& entry, const char* step, const Result<void>& result) {
    if (!result) {
        spdlog::warn("container {}: {}: {}, going on", entry.id().short_text(), step,
                     result.error().message);
    }
}

} // namespace

net::Task<void> Containers::Impl::watch(EntryPtr entry, std::shared_ptr<ShimChannel> shim) {
    const net::Until until(scope.cancel());
    const net::Wake wake = co_await shim->wait_ended(until);
    if (wake != net::Wake::Raised) { co_return; }
    auto guard = co_await entry->lock.acquire();
    if (entry->shim != shim || shutting_down) { co_return; }
    const container::ShimExit exit = shim->exit() ? *shim->exit() : exit_of_lost_monitor(*entry);
    co_await bury(entry, exit);
}

/// The monitor is gone without a word: its exit file tells, or the container it left behind is
/// ended.
container::ShimExit Containers::Impl::exit_of_lost_monitor(const Entry& entry) const {
    const std::string directory = bundle_dir(entry.id());
    if (auto exit = container::read_exit(directory)) { return *exit; }
    container::ShimExit exit;
    exit.code = 128 + SIGKILL;
    exit.signal = SIGKILL;
    exit.at = env.clock.now();
    exit.error = "the container's monitor was lost";
    if (auto init = container::find_init(directory)) {
        (void)container::signal_container(*init, SIGKILL);
    }
    return exit;
}

net::Task<void> Containers::Impl::bury(EntryPtr entry, container::ShimExit exit) {
    Container& container = *entry->record;
    State& state = container.state;
    if (entry->run) { entry->run->cancel(); }
    entry->run.reset();
    entry->shim.reset();
    entry->init = {};
    give_up_pending(*entry);
    if (exit.at == Instant{}) { exit.at = env.clock.now(); }
    const nanoseconds ran_for =
        exit.at > state.started_at ? exit.at - state.started_at : nanoseconds(0);
    state.status = Status::Exited;
    state.pid = 0;
    state.exit_code = exit.code;
    state.oom_killed = exit.oom;
    state.error = exit.error;
    state.finished_at = exit.at;
    if (container.health.status != container::HealthStatus::None) {
        container.health.status = container::HealthStatus::Unhealthy;
    }
    co_await release_network(entry);

    if (exit.oom) { publish(container, "oom"); }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(ran_for).count();
    publish(container, "die",
            {{"exitCode", std::to_string(exit.code)}, {"execDuration", std::to_string(seconds)}});
    container::RestartEnd end;
    end.exit_code = exit.code;
    end.ran_for = ran_for;
    end.stopped_by_user = entry->stopping;
    end.daemon_stopping = shutting_down;
    co_await after_exit(entry, end);
}

/// Decides about a restart, tells the waiters, cleans up, and removes what is to be removed.
net::Task<void> Containers::Impl::after_exit(EntryPtr entry, container::RestartEnd end) {
    Container& container = *entry->record;
    const auto delay =
        container::plan_restart(container.host_config.restart_policy, entry->restart, end);
    if (delay) { container.state.status = Status::Restarting; }
    (void)save(*entry);
    ++entry->exits;
    entry->last_exit = {container.state.exit_code, container.state.error};
    entry->changed.wake_all();
    co_await release(entry);
    if (delay) {
        entry->restart_wait = std::make_unique<net::Cancel>(scope.cancel());
        scope.spawn(restart_later(entry, *delay));
    } else if (container.host_config.auto_remove && !entry->kept && !shutting_down) {
        auto removed = co_await remove_locked(entry, true);
        warn(*entry, "remove", removed);
    }
}

net::Task<void> Containers::Impl::restart_later(EntryPtr entry, nanoseconds delay) {
    const net::Until until(Deadline::in(delay), *entry->restart_wait);
    const net::Wake wake = co_await net::sleep(env.loop, until);
    if (wake != net::Wake::Timeout) { co_return; }
    auto guard = co_await entry->lock.acquire();
    if (entry->record->state.status != Status::Restarting || !entry->restart_wait ||
        shutting_down) {
        co_return;
    }
    entry->restart_wait.reset();
    entry->record->restart_count = entry->restart.count;
    auto started = co_await start_locked(entry);
    if (started) { co_return; }
    spdlog::warn("container {}: restart: {}", entry->id().short_text(), started.error().message);
    container::RestartEnd end;
    end.exit_code = entry->record->state.exit_code;
    end.start_failed = true;
    co_await after_exit(entry, end);
}

net::Task<void> Containers::Impl::release_network(EntryPtr entry) {
    auto detached = co_await networks.detach(entry->id());
    warn(*entry, "network", detached);
    // What it was given is gone; the names and the mode stay for inspect.
    SandboxInfo& sandbox = entry->record->sandbox;
    sandbox.netns_path.clear();
    sandbox.ports.clear();
    std::erase_if(sandbox.endpoints, [](const auto& endpoint) { return endpoint.automatic; });
    for (auto& endpoint : sandbox.endpoints) {
        network::EndpointState empty;
        empty.network = endpoint.network;
        empty.network_name = endpoint.network_name;
        empty.driver = endpoint.driver;
        empty.dns_names = endpoint.dns_names;
        empty.wish = endpoint.wish;
        endpoint = std::move(empty);
    }
}

net::Task<void> Containers::Impl::release(EntryPtr entry) {
    const Container& container = *entry->record;
    if (networks.sandbox(container.id) != nullptr) { co_await release_network(entry); }
    if (entry->shim) { entry->shim->close(); }
    entry->shim.reset();
    const std::string bundle = bundle_dir(container.id);
    if (os::exists(bundle)) {
        auto job = [runtime = runtime(container), id = container.id.text(),
                    group = cgroup(container), bundle] {
            ErrorList errors;
            errors.add(container::delete_container(runtime, id, group));
            errors.add(os::remove_tree(bundle));
            return errors.empty() ? Result<void>() : Result<void>(errors.joined());
        };
        auto deleted = co_await env.pool.run(std::move(job));
        warn(*entry, "runtime", deleted);
    }
    const std::string directory = data_dir(container.id);
    const auto mounts = container.mounts;
    std::size_t index = 0;
    for (const auto& mount : mounts) {
        if (mount.type == "volume") {
            auto unmounted = co_await volumes.unmount(mount.name, container.id);
            warn(*entry, "volume", unmounted);
        } else if (mount.type == "image") {
            warn(*entry, "image mount",
                 os::unmount_lazy(directory + "/mounts/" + std::to_string(index)));
        }
        ++index;
    }
    if (container::parse_mode(container.host_config.ipc_mode).kind == "shareable") {
        warn(*entry, "shm", os::unmount_lazy(directory + "/shm"));
    }
    auto unmounted = co_await images.unmount_rootfs(directory);
    warn(*entry, "root file system", unmounted);
}

} // namespace shoal::engine
