// Starting: mounts, network, specification, monitor, in this order; whatever fails, release() gives
// back the rest.
#include "engine/containers_impl.h"

#include "base/text.h"
#include "engine/links.h"
#include "engine/log_settings.h"
#include "engine/merge.h"
#include "image/rootfs.h"
#include "os/file.h"
#include "os/mount.h"

#include <fcntl.h>

namespace shoal::engine {
namespace {

/// Everything the pool needs to make the bundle and start the monitor: values only.
struct LaunchPlan {
    container::Config config;
    container::HostConfig host_config;
    container::HostFacts facts;
    container::SpecInput spec; ///< its pointers are set on the pool, to the three above
    container::Runtime runtime;
    container::ShimConfig shim;
    std::string bundle;
};

/// Docker refuses shared and slave binds whose source lies on a mount that is private.
Result<void> check_propagation(const std::vector<container::ResolvedMount>& mounts) {
    const auto needs = [](const container::ResolvedMount& mount) {
        return mount.propagation.ends_with("shared") || mount.propagation.ends_with("slave");
    };
    if (std::none_of(mounts.begin(), mounts.end(), needs)) { return ok(); }
    TRY_LET(table, os::load_mountinfo());
    for (const auto& mount : mounts) {
        if (!needs(mount)) { continue; }
        const os::MountInfo* below = os::mount_of(table, mount.source);
        if (below == nullptr) { continue; }
        const bool shared = below->is_shared();
        if (mount.propagation.ends_with("shared") && !shared) {
            return internal("path " + mount.source + " is mounted on " + below->target +
                            " but it is not a shared mount");
        }
        if (mount.propagation.ends_with("slave") && !shared && !below->is_slave()) {
            return internal("path " + mount.source + " is mounted on " + below->target +
                            " but it is not a shared or slave mount");
        }
    }
    return ok();
}

Result<void> find_devices(LaunchPlan& plan) {
    if (plan.host_config.privileged) {
        TRY_LET(all, container::load_all_devices());
        plan.spec.devices = std::move(all);
    }
    for (const auto& mapping : plan.host_config.resources.devices) {
        TRY_LET(nodes, container::load_devices(mapping));
        plan.spec.devices.insert(plan.spec.devices.end(), nodes.begin(), nodes.end());
    }
    TRY_LET(numbers, container::load_device_numbers(plan.host_config.resources));
    plan.spec.device_numbers = std::move(numbers);
    return ok();
}

/// On the pool: asks the machine what the specification needs, writes the bundle, starts the
/// monitor.
Result<container::ShimLink> spawn(LaunchPlan plan) {
    plan.spec.config = &plan.config;
    plan.spec.host_config = &plan.host_config;
    plan.spec.host = &plan.facts;
    TRY_LET(root, os::open_directory(plan.spec.root_path));
    const os::UserRequest user{plan.config.user, plan.host_config.group_add};
    TRY_LET(resolved, os::resolve_user_in(user, root));
    plan.spec.user = resolved;
    TRY(find_devices(plan));
    TRY(check_propagation(plan.spec.mounts));
    TRY_LET(spec, container::make_spec(plan.spec));
    TRY(container::create_bundle(plan.bundle, dump_json(spec)));
    return container::spawn_shim(plan.runtime, plan.shim);
}

/// Where `subpath` lies below `root`, links resolved as inside it.
Result<std::string> beneath(const std::string& root, const std::string& subpath) {
    if (subpath.empty()) { return root; }
    TRY_LET(directory, os::open_directory(root));
    TRY_LET(found, os::open_beneath(directory, subpath, {.flags = O_PATH}));
    return os::path_of(found);
}

container::ResolvedMount network_file(const std::string& directory, const std::string& name) {
    container::ResolvedMount mount;
    mount.source = directory + "/" + name;
    mount.destination = "/etc/" + name;
    mount.recursive = false;
    return mount;
}

} // namespace

net::Task<Result<void>> Containers::Impl::start(EntryPtr entry) {
    if (shutting_down) { co_return Error{Errc::Unavailable, "the daemon is shutting down"}; }
    auto guard = co_await entry->lock.acquire();
    if (entry->removed) { co_return not_found("container", entry->id().text()); }
    const Container& container = *entry->record;
    switch (container.state.status) {
    case Status::Running:
        co_return Error{Errc::NotModified, "container is already running"};
    case Status::Paused:
        co_return conflict("cannot start a paused container, try unpause instead");
    case Status::Removing:
    case Status::Dead:
        co_return conflict("container is marked for removal and cannot be started");
    default:
        break;
    }
    cancel_restart(*entry);
    entry->restart = {};
    entry->record->restart_count = 0;
    entry->record->manually_stopped = false;
    auto started = co_await start_locked(entry);
    if (!started && container.host_config.auto_remove) {
        auto removed = co_await remove_locked(entry, true);
        (void)removed; // the start's error is the one to report
    }
    co_return started;
}

net::Task<Result<void>> Containers::Impl::start_locked(EntryPtr entry) {
    State& state = entry->record->state;
    int exit_code = 128;
    auto launched = co_await launch(entry);
    if (launched) {
        launched = co_await begin_run(entry);
        if (!launched && launched.error().code == Errc::Internal) {
            auto failure = container::translate_runtime_error(
                launched.error().message, entry->record->path, container::ShimConfig::Mode::Run);
            exit_code = failure.exit_code;
            launched = std::move(failure.error);
        }
    }
    if (launched) {
        entry->stopping = false;
        entry->changed.wake_all();
        publish(*entry->record, "start");
        co_return ok();
    }
    Error error = std::move(launched).error();
    give_up_pending(*entry);
    co_await release(entry);
    state.exit_code = exit_code;
    state.error = error.message;
    state.pid = 0;
    if (state.status != Status::Created) { state.status = Status::Exited; }
    (void)save(*entry);
    ++entry->exits;
    entry->last_exit = {state.exit_code, state.error};
    entry->changed.wake_all();
    co_return error;
}

net::Task<Result<void>> Containers::Impl::launch(EntryPtr entry) {
    Container& container = *entry->record;
    const std::string directory = data_dir(container.id);
    CO_TRY_LET(root, images.mount_rootfs_now(container.image_id, directory));
    CO_TRY_LET(mounts, co_await prepare_mounts(entry));
    CO_TRY_LET(spaces, namespaces(container));
    CO_TRY_LET(shm, shm_source(container));
    if (const auto mode = container::parse_mode(container.host_config.network_mode);
        mode.kind == "container") {
        CO_TRY_LET(other, find(mode.name));
        container.config.hostname = other->record->config.hostname;
        container.config.domainname = other->record->config.domainname;
    }
    CO_TRY_LET(wanted, attach_request(container));
    CO_TRY_LET(sandbox, co_await networks.attach(wanted));
    container.sandbox = sandbox;
    CO_TRY(write_network_files(container));

    LaunchPlan plan;
    plan.config = container.config;
    plan.config.env.insert(plan.config.env.end(), entry->secret_env.begin(),
                           entry->secret_env.end());
    plan.host_config = container.host_config;
    plan.facts = facts;
    plan.runtime = runtime(container);
    plan.shim = shim_config(container);
    plan.shim.runtime = plan.runtime.path;
    plan.shim.runtime_args = plan.runtime.args;
    plan.shim.runtime_root = plan.runtime.root;
    plan.bundle = bundle_dir(container.id);
    container::SpecInput& spec = plan.spec;
    spec.id = container.id.text();
    spec.root_path = root.merged;
    spec.hostname = container.config.hostname;
    spec.cgroup_path = cgroup(container).path();
    spec.namespaces = spaces;
    spec.namespaces.network = sandbox.netns_path.empty() ? "host" : sandbox.netns_path;
    spec.mounts = std::move(mounts);
    spec.shm_source = shm;
    spec.init_path = env.settings.init_path;
    for (const auto& [name, limit] : env.settings.default_ulimits) {
        spec.default_ulimits[name] = {limit.name, limit.soft, limit.hard};
    }
    for (const auto& link : container.host_config.links) {
        const auto [other_name, alias] = cut(link, ':');
        CO_TRY_LET(other, find(other_name));
        const std::string address = networks.default_bridge_address(other->id());
        const auto variables = link_environment(container.name, alias.empty() ? other_name : alias,
                                                other->record->config, address);
        spec.link_env.insert(spec.link_env.end(), variables.begin(), variables.end());
    }
    spec.shm_size_default = env.settings.default_shm_size_bytes;
    spec.command = command_line(container.config);
    spec.no_new_privileges_default = env.settings.no_new_privileges;
    spec.seccomp_default_profile = env.settings.seccomp_profile;
    if (spec.seccomp_default_profile.starts_with('/')) {
        CO_TRY_LET(profile, os::read_file(spec.seccomp_default_profile));
        spec.seccomp_default_profile = std::move(profile);
    }

    auto job = [plan = std::move(plan)]() mutable { return spawn(std::move(plan)); };
    CO_TRY_LET(link, co_await env.pool.run(std::move(job)));
    entry->shim = ShimChannel::open(env.loop, scope, std::move(link.socket), false);
    co_return ok();
}

/// From the monitor's first word to the container's first instruction.
net::Task<Result<void>> Containers::Impl::begin_run(EntryPtr entry) {
    Container& container = *entry->record;
    const net::Until created_by(Deadline::in(create_limit));
    CO_TRY_LET(created, co_await entry->shim->wait_created(created_by));
    entry->init = {created.pid, created.start_time};
    co_await attach_pending(entry);
    const net::Until started_by(Deadline::in(create_limit));
    CO_TRY(co_await entry->shim->request(container::Frame::Start, "", started_by));

    State& state = container.state;
    state = State{};
    state.status = Status::Running;
    state.pid = created.pid;
    state.started_at = env.clock.now();
    CO_TRY(save(*entry));
    watch_run(entry);
    co_return ok();
}

net::Task<void> Containers::Impl::attach_pending(EntryPtr entry) {
    const std::string directory = bundle_dir(entry->id());
    while (!entry->pending->empty()) {
        const std::shared_ptr<ShimAttachment> attachment = *entry->pending->begin();
        const net::Until until(Deadline::in(command_limit));
        auto connected = co_await attachment->connect(directory, until);
        (void)connected; // a client that left meanwhile does not hold the start up
    }
}

void Containers::Impl::give_up_pending(Entry& entry) {
    while (!entry.pending->empty()) { (*entry.pending->begin())->give_up(); }
}

// --- mounts ---

net::Task<Result<std::vector<container::ResolvedMount>>>
Containers::Impl::prepare_mounts(EntryPtr entry) {
    std::vector<container::ResolvedMount> resolved;
    const auto mounts = entry->record->mounts;
    std::size_t index = 0;
    for (const auto& mount : mounts) {
        CO_TRY_LET(one, co_await prepare_mount(entry, mount, index));
        resolved.push_back(std::move(one));
        ++index;
    }
    const std::string directory = data_dir(entry->id());
    for (const char* name : {"resolv.conf", "hostname", "hosts"}) {
        const std::string destination = std::string("/etc/") + name;
        const bool covered = std::any_of(mounts.begin(), mounts.end(), [&](const auto& mount) {
            return mount.destination == destination;
        });
        if (!covered) { resolved.push_back(network_file(directory, name)); }
    }
    co_return resolved;
}

net::Task<Result<container::ResolvedMount>>
Containers::Impl::prepare_mount(EntryPtr entry, container::MountPoint mount, std::size_t index) {
    container::ResolvedMount resolved;
    resolved.destination = mount.destination;
    resolved.read_only = mount.read_only;
    resolved.recursive = mount.recursive;
    resolved.recursive_read_only = mount.read_only_force_recursive;
    resolved.propagation = mount.propagation;
    if (mount.type == "tmpfs") {
        resolved.type = "tmpfs";
        resolved.options = mount.tmpfs_options;
    } else if (mount.type == "volume") {
        VolumeMountRequest request;
        request.name = mount.name;
        request.user = entry->id();
        request.subpath = mount.subpath;
        request.nocopy = mount.no_copy;
        request.read_only = mount.read_only;
        request.copy_root = image::rootfs_in(data_dir(entry->id())).merged;
        request.copy_path = mount.destination;
        CO_TRY_LET(path, co_await volumes.mount(request));
        resolved.source = path;
    } else if (mount.type == "bind") {
        CO_TRY_LET(kind, co_await volumes.probe_path(mount.source));
        if (kind == PathKind::Missing && !mount.create_source) {
            co_return invalid(
                "invalid mount config for type \"bind\": bind source path does not exist: " +
                mount.source);
        }
        if (kind == PathKind::Missing) { CO_TRY(co_await volumes.ensure_directory(mount.source)); }
        resolved.source = mount.source;
    } else {
        const std::string target = data_dir(entry->id()) + "/mounts/" + std::to_string(index);
        CO_TRY_LET(image, oci::ImageId::parse(mount.name));
        CO_TRY(os::ensure_directory(target, 0700));
        if (!os::is_mount_point(target)) { CO_TRY(co_await images.mount_image(image, target)); }
        CO_TRY_LET(source, beneath(target, mount.subpath));
        resolved.source = source;
        resolved.read_only = true;
    }
    co_return resolved;
}

// --- namespaces ---

Result<container::Namespaces> Containers::Impl::namespaces(const Container& container) const {
    const auto& host = container.host_config;
    container::Namespaces spaces;
    const auto join = [&](const std::string& mode, const char* kind) -> Result<std::string> {
        const container::ModeName name = container::parse_mode(mode);
        if (name.kind == "host") { return std::string("host"); }
        if (name.kind != "container") { return std::string(); }
        TRY_LET(other, find(name.name));
        if (!other->record->state.running()) {
            return conflict(std::string("cannot join ") + kind +
                            " of a non running container: " + name.name);
        }
        return "/proc/" + std::to_string(other->record->state.pid) + "/ns/" + kind;
    };
    TRY_LET(ipc, join(host.ipc_mode, "ipc"));
    TRY_LET(pid, join(host.pid_mode, "pid"));
    TRY_LET(uts, join(host.uts_mode, "uts"));
    spaces.ipc = ipc;
    spaces.pid = pid;
    spaces.uts = uts;
    spaces.cgroup_private = host.cgroupns_mode == "private";
    return spaces;
}

/// A container that shares its memory segments has its /dev/shm on the host's side.
Result<std::string> Containers::Impl::shm_source(const Container& container) const {
    const container::ModeName mode = container::parse_mode(container.host_config.ipc_mode);
    if (mode.kind == "host") { return std::string("/dev/shm"); }
    if (mode.kind == "container") {
        TRY_LET(other, find(mode.name));
        const std::string theirs = data_dir(other->id()) + "/shm";
        if (!os::is_mount_point(theirs)) {
            return conflict("cannot join IPC of container " + mode.name +
                            ": its IPC mode is not shareable");
        }
        return theirs;
    }
    if (mode.kind != "shareable") { return std::string(); }
    const std::string own = data_dir(container.id) + "/shm";
    TRY(os::ensure_directory(own, 0700));
    if (!os::is_mount_point(own)) {
        const std::int64_t size = container.host_config.shm_size > 0
                                      ? container.host_config.shm_size
                                      : env.settings.default_shm_size_bytes;
        TRY_LET(mount, os::mount_tmpfs(own, "mode=1777,size=" + std::to_string(size)));
        (void)mount.keep();
    }
    return own;
}

Result<void> Containers::Impl::write_network_files(const Container& container) const {
    const std::string directory = data_dir(container.id) + "/";
    const auto write = [&](const char* name, const std::string& text) {
        return os::write_file_atomic(directory + name, text, {.mode = 0644});
    };
    TRY(write("hosts", container.sandbox.hosts));
    TRY(write("resolv.conf", container.sandbox.resolv_conf));
    return write("hostname", container.sandbox.hostname_file);
}

container::ShimConfig Containers::Impl::shim_config(const Container& container) const {
    container::ShimConfig shim;
    shim.container_id = container.id.text();
    shim.bundle = bundle_dir(container.id);
    shim.directory = shim.bundle;
    shim.tty = container.config.tty;
    shim.open_stdin = container.config.open_stdin;
    // A terminal outlives those who have typed on it: they may come back.
    shim.stdin_once = container.config.stdin_once && !container.config.tty;
    shim.init = container.host_config.init.value_or(false);
    const auto& console = container.host_config.console_size;
    if (console.size() == 2) {
        shim.console = {static_cast<std::uint16_t>(console[0]),
                        static_cast<std::uint16_t>(console[1])};
    }
    const bool v2 = cgroups.version == os::CgroupLayout::Version::V2;
    const std::string memory = cgroup(container).directory("memory");
    if (!memory.empty()) {
        shim.oom_file = memory + (v2 ? "/memory.events" : "/memory.oom_control");
    }
    apply_log_settings(container, shim);
    return shim;
}

} // namespace shoal::engine
