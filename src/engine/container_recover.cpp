// After a start of the daemon: records and kernel are made to agree. What has a living monitor is
// adopted, what died meanwhile is buried, what is half-made is swept away, and then restart
// policies have their say.
#include "engine/containers_impl.h"

#include "os/file.h"
#include "os/mount.h"

#include <spdlog/spdlog.h>

#include <csignal>
#include <fcntl.h>
#include <utility>

namespace shoal::engine {

/// True when the container's monitor answers: the run goes on as if nothing had happened.
bool Containers::Impl::adopt(EntryPtr entry) {
    Container& container = *entry->record;
    const std::string directory = bundle_dir(container.id);
    auto link = container::connect_shim(directory);
    if (!link) { return false; }
    auto init = container::find_init(directory);
    if (!init) { return false; }
    entry->shim = ShimChannel::open(env.loop, scope, std::move(link->socket), true);
    entry->init = *init;
    container.state.pid = init->pid;
    const bool frozen = cgroup(container).is_frozen();
    container.state.status = frozen ? Status::Paused : Status::Running;
    for (const auto& mount : container.mounts) {
        if (mount.type == "volume") { volumes.adopt(mount.name, container.id); }
    }
    return true;
}

net::Task<Result<void>> Containers::Impl::load() {
    CO_TRY(os::ensure_directory(env.settings.data_root + "/containers", 0710));
    CO_TRY(os::ensure_directory(env.settings.exec_root + "/containers", 0700));
    CO_TRY_LET(documents, env.store.load_all("container"));
    std::vector<EntryPtr> dead;
    std::vector<EntryPtr> alive;
    std::vector<EntryPtr> build_steps;
    std::vector<RunningSandbox> sandboxes;
    for (const auto& [id, document] : documents) {
        auto loaded = load_container(document);
        if (!loaded) {
            spdlog::error("container {}: {}, leaving it out", id, loaded.error().message);
            continue;
        }
        auto entry = std::make_shared<Entry>(env.loop, std::move(*loaded));
        entries.emplace(entry->id(), entry);
        names[entry->record->name] = entry->id();
        entry->restart.count = entry->record->restart_count;
        if (entry->record->build_step) { build_steps.push_back(entry); }
        const Status status = entry->record->state.status;
        const bool was_running = status == Status::Running || status == Status::Paused;
        if (was_running && adopt(entry)) {
            sandboxes.push_back({entry->id(), entry->record->name, entry->record->sandbox});
            alive.push_back(entry);
        } else if (was_running || status == Status::Restarting || status == Status::Removing) {
            dead.push_back(entry);
        }
    }
    CO_TRY(co_await networks.recover(std::move(sandboxes)));
    for (const auto& entry : alive) {
        if (const SandboxInfo* sandbox = networks.sandbox(entry->id())) {
            entry->record->sandbox = *sandbox;
        }
        watch_run(entry);
    }
    scope.spawn(settle(std::move(dead), std::move(build_steps)));
    co_return ok();
}

/// Buries what died while nobody looked, finishes removals, sweeps, and starts what its policy
/// wants running.
net::Task<void> Containers::Impl::settle(std::vector<EntryPtr> dead,
                                         std::vector<EntryPtr> build_steps) {
    std::vector<EntryPtr> at_boot;
    for (const auto& [id, entry] : entries) {
        const Container& container = *entry->record;
        const Status status = container.state.status;
        if (status != Status::Created && status != Status::Exited) { continue; }
        if (container.state.started_at == Instant{}) { continue; }
        if (container::restarts_at_boot(container.host_config.restart_policy,
                                        container.manually_stopped)) {
            at_boot.push_back(entry);
        }
    }
    co_await sweep();
    for (const auto& entry : dead) {
        auto guard = co_await entry->lock.acquire();
        const Status status = entry->record->state.status;
        if (entry->removed || entry->shim) { continue; }
        if (status == Status::Removing) {
            auto removed = co_await remove_locked(entry, true);
            if (!removed) {
                spdlog::warn("container {}: {}", entry->id().short_text(), removed.error().message);
            }
        } else if (status == Status::Restarting) {
            container::RestartEnd end;
            end.exit_code = entry->record->state.exit_code;
            co_await after_exit(entry, end);
        } else {
            co_await bury(entry, exit_of_lost_monitor(*entry));
        }
    }
    co_await remove_build_steps(std::move(build_steps));
    co_await start_at_boot(std::move(at_boot));
}

/// Their builds have ended with the daemon that ran them.
net::Task<void> Containers::Impl::remove_build_steps(std::vector<EntryPtr> steps) {
    for (const auto& entry : steps) {
        const RemoveOptions options{.force = true, .volumes = true, .link = false};
        auto removed = co_await remove(entry, options);
        if (!removed) {
            spdlog::warn("build step {}: {}", entry->id().short_text(), removed.error().message);
        }
    }
}

/// Leftovers of starts that no record admits to: a killed daemon answers for nothing it had not
/// written down.
net::Task<void> Containers::Impl::sweep() {
    const std::string runs = env.settings.exec_root + "/containers";
    const std::string places = env.settings.data_root + "/containers";
    auto running = os::list_directory(runs);
    auto kept = os::list_directory(places);
    for (const auto& found : running ? *running : std::vector<os::Entry>()) {
        auto id = ContainerId::parse(found.name);
        if (!id) { continue; }
        const auto known = entries.find(*id);
        if (known != entries.end() && (known->second->shim || known->second->lock.held())) {
            continue;
        }
        if (known != entries.end() && known->second->record->state.running()) {
            continue;
        } // settle() buries it
        Container leftover;
        leftover.id = *id;
        if (known != entries.end()) { leftover = *known->second->record; }
        auto job = [runtime = runtime(leftover), group = cgroup(leftover),
                    directory = runs + "/" + found.name, name = found.name] {
            ErrorList errors;
            errors.add(container::end_run(directory, Deadline::in(kill_limit)));
            errors.add(container::delete_container(runtime, name, group));
            errors.add(os::remove_tree(directory));
            return errors.empty() ? Result<void>() : Result<void>(errors.joined());
        };
        auto removed = co_await env.pool.run(std::move(job));
        if (!removed) { spdlog::warn("sweep {}: {}", found.name, removed.error().message); }
        if (known != entries.end()) { co_await release(known->second); }
    }
    for (const auto& found : kept ? *kept : std::vector<os::Entry>()) {
        auto id = ContainerId::parse(found.name);
        if (!id || entries.count(*id) > 0) { continue; }
        auto job = [directory = places + "/" + found.name]() -> Result<void> {
            TRY(os::unmount_tree(directory));
            return os::remove_tree(directory);
        };
        auto removed = co_await env.pool.run(std::move(job));
        if (!removed) { spdlog::warn("sweep {}: {}", found.name, removed.error().message); }
    }
}

net::Task<void> Containers::Impl::start_one_at_boot(EntryPtr entry) {
    auto started = co_await start(entry);
    if (started || started.error().code == Errc::NotModified) { co_return; }
    spdlog::warn("container {}: start: {}", entry->id().short_text(), started.error().message);
}

/// In turn; but one that may have to wait for others than this machine keeps nobody waiting.
net::Task<void> Containers::Impl::start_at_boot(std::vector<EntryPtr> at_boot) {
    for (const auto& entry : at_boot) {
        const auto request = attach_request(*entry->record);
        if (request && networks.any_elsewhere(*request)) {
            scope.spawn(start_one_at_boot(entry));
        } else {
            co_await start_one_at_boot(entry);
        }
    }
}

net::Task<void> Containers::shut_down(bool stop_containers, net::Until until) {
    if (stop_containers) {
        net::TaskScope stopping(impl_->env.loop);
        for (const auto& [id, entry] : impl_->entries) {
            if (!entry->record->state.running()) { continue; }
            stopping.spawn(stop_at_end(entry->record));
        }
        (void)co_await stopping.drain(until);
    }
    impl_->shutting_down = true;
    co_await impl_->scope.close();
}

/// Stops one container without marking it as stopped by hand: its policy starts it again with the
/// daemon.
net::Task<void> Containers::stop_at_end(ContainerPtr record) {
    auto entry = impl_->entry(record->id);
    if (!entry) { co_return; }
    const bool by_hand = record->manually_stopped;
    auto stopped = co_await impl_->stop(*entry, "", std::nullopt);
    (void)stopped; // what does not end in time is left to its monitor
    (*entry)->record->manually_stopped = by_hand;
    (void)impl_->save(**entry);
}

// --- networks of a container ---

namespace {

bool is_main_network(const Container& record, const network::Definition& definition) {
    const auto& mode = record.host_config.network_mode;
    const bool standard = mode.empty() || mode == "default";
    const bool named =
        mode == definition.name || (!definition.id.empty() && mode == definition.id.text());
    return !record.left_main_network && (named || (standard && definition.name == "bridge"));
}

/// One that is not here is known by what the user calls it.
Result<network::Definition> find_network(const Networks& networks, const std::string& ref) {
    auto found = networks.find(ref);
    if (found || !networks.may_be_elsewhere(ref)) { return found; }
    network::Definition unknown;
    unknown.name = ref;
    return unknown;
}

Result<void> check_connectable(const Container& record, const network::Definition& definition) {
    const auto& mode = record.host_config.network_mode;
    if (mode == "host" || mode.starts_with("container:")) {
        return invalid(
            "container sharing network namespace with another container or host cannot be connected to any other network");
    }
    if (definition.driver == "null" || (mode == "none" && !record.left_main_network)) {
        return invalid(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode");
    }
    if (record.endpoints.count(definition.name) == 0 && !is_main_network(record, definition)) {
        return ok();
    }
    return Error{Errc::Forbidden, "endpoint with name " + record.name +
                                      " already exists in network " + definition.name};
}

} // namespace

namespace {

/// A running container sees the file and not its name: it is written in place. And only while it is
/// as we left it: what the container has changed itself stays.
Result<void> update_in_place(const std::string& path, const std::string& before,
                             const std::string& now) {
    if (before == now) { return ok(); }
    TRY_LET(present, os::read_file(path));
    if (present != before) { return ok(); }
    TRY_LET(file, os::open_file(path, O_WRONLY | O_TRUNC));
    return os::write_all(file, now);
}

Result<void> update_network_files(const std::string& directory, const network::SandboxInfo& before,
                                  const network::SandboxInfo& now) {
    TRY(update_in_place(directory + "/hosts", before.hosts, now.hosts));
    return update_in_place(directory + "/resolv.conf", before.resolv_conf, now.resolv_conf);
}

} // namespace

net::Task<Result<void>> Containers::network_connect(std::string container, std::string network,
                                                    network::EndpointWish wish) {
    CO_TRY_LET(entry, impl_->find(container));
    auto guard = co_await entry->lock.acquire();
    Container& record = *entry->record;
    if (entry->removed || record.state.status == Status::Removing ||
        record.state.status == Status::Dead) {
        co_return conflict(
            "container is marked for removal and cannot be connected or disconnected to the network");
    }
    CO_TRY_LET(definition, find_network(impl_->networks, network));
    CO_TRY(check_connectable(record, definition));
    if (record.state.running()) {
        CO_TRY_LET(sandbox, co_await impl_->networks.join(record.id, network, wish));
        const network::SandboxInfo before = std::exchange(record.sandbox, sandbox);
        CO_TRY(update_network_files(impl_->data_dir(record.id), before, record.sandbox));
        definition = find_network(impl_->networks, network).value_or(definition); // it may be new
    }
    container::EndpointSettings settings;
    if (!wish.ipv4.empty() || !wish.ipv6.empty() || !wish.link_local.empty()) {
        settings.ipam_config = container::EndpointIpamConfig{wish.ipv4, wish.ipv6, wish.link_local};
    }
    settings.links = wish.links;
    settings.aliases = wish.aliases;
    settings.mac_address = wish.mac;
    settings.driver_opts = wish.driver_options;
    settings.gw_priority = wish.gw_priority;
    record.endpoints[definition.name] = std::move(settings);
    co_return impl_->save(*entry);
}

net::Task<Result<void>> Containers::network_disconnect(std::string container, std::string network,
                                                       bool force) {
    auto entry = impl_->find(container);
    if (!entry) {
        if (force) { co_return ok(); }
        co_return std::move(entry).error();
    }
    const EntryPtr found = *entry;
    auto guard = co_await found->lock.acquire();
    Container& record = *found->record;
    CO_TRY_LET(definition, find_network(impl_->networks, network));
    const bool asked = record.endpoints.erase(definition.name) > 0;
    const auto is_there = [&](const auto& endpoint) { return endpoint.network == definition.id; };
    const bool attached =
        std::any_of(record.sandbox.endpoints.begin(), record.sandbox.endpoints.end(), is_there);
    const bool main = is_main_network(record, definition);
    if (!asked && !attached && !main) {
        co_return Error{Errc::Forbidden, "container " + record.id.text() +
                                             " is not connected to network " + definition.name};
    }
    if (record.state.running() && attached) {
        CO_TRY_LET(sandbox, co_await impl_->networks.leave(record.id, definition.id));
        const network::SandboxInfo before = std::exchange(record.sandbox, sandbox);
        CO_TRY(update_network_files(impl_->data_dir(record.id), before, record.sandbox));
    } else {
        std::erase_if(record.sandbox.endpoints, is_there);
    }
    record.left_main_network |= main;
    co_return impl_->save(*found);
}

} // namespace shoal::engine
