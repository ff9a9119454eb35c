// From a request to a record: everything is checked, names and volumes are reserved, nothing runs.
#include "engine/containers_impl.h"

#include "base/text.h"
#include "base/undo.h"
#include "container/ports.h"
#include "engine/merge.h"
#include "engine/names.h"
#include "os/file.h"

namespace shoal::engine {
namespace {

bool is_anonymous(const container::MountPoint& mount) {
    return mount.type == "volume" && mount.name.empty();
}

/// What a program that changes an image may see of the image's settings: a volume would take its
/// changes away.
oci::RunConfig for_build_step(oci::RunConfig config) {
    config.volumes.clear();
    config.exposed_ports.clear();
    config.healthcheck.reset();
    config.labels.clear();
    config.on_build.clear();
    return config;
}

container::MountPoint inherited(container::MountPoint mount, const container::VolumesFrom& from) {
    mount.from_binds = false;
    if (!from.mode.empty()) {
        mount.read_only = from.read_only;
        mount.mode = from.mode;
    }
    return mount;
}

Result<network::PortKey> port_key(const container::Port& port) {
    network::PortKey key{port.number, network::Protocol::Tcp};
    if (!network::from_text(port.protocol, key.protocol)) {
        return invalid("invalid protocol " + port.protocol);
    }
    return key;
}

} // namespace

Result<AttachRequest> Containers::Impl::attach_request(const Container& container) const {
    AttachRequest request;
    const auto& host = container.host_config;
    request.container = container.id;
    request.name = container.name;
    request.hostname = container.config.hostname;
    request.domainname = container.config.domainname;
    request.mode = container.config.network_disabled || container.left_main_network
                       ? "none"
                       : host.network_mode;
    for (const auto& [name, settings] : container.endpoints) {
        request.endpoints[name] = endpoint_wish(settings);
    }
    for (const auto& [text, nothing] : container.config.exposed_ports) {
        TRY_LET(ports, container::parse_exposed(text));
        for (const auto& port : ports) {
            TRY_LET(key, port_key(port));
            request.exposed.push_back(key);
        }
    }
    TRY_LET(published, container::parse_port_bindings(host.port_bindings));
    for (const auto& port : published) {
        TRY_LET(key, port_key(port.container));
        request.published.push_back({key, port.host_ip, port.host.first, port.host.last});
    }
    request.publish_all = host.publish_all_ports;
    request.links = host.links;
    request.dns = host.dns;
    request.dns_search = host.dns_search;
    request.dns_options = host.dns_options;
    request.extra_hosts = host.extra_hosts;
    request.sysctls = host.sysctls;
    return request;
}

/// "container:web" becomes "container:<id>", so that renaming the other one changes nothing.
Result<void> Containers::Impl::resolve_modes(container::HostConfig& host) const {
    for (std::string* mode : {&host.network_mode, &host.ipc_mode, &host.pid_mode}) {
        const container::ModeName name = container::parse_mode(*mode);
        if (name.kind != "container") { continue; }
        const auto other = find(name.name);
        // As with networks, only the start asks for the one whose network is to be shared.
        if (!other && mode == &host.network_mode) { continue; }
        if (!other) {
            return invalid(other.error().message);
        } // a 404 would make clients look for the image
        *mode = "container:" + (*other)->id().text();
    }
    // On a network of one's own a link is a name to be answered when its container is there.
    const bool legacy_links = host.network_mode == "default" || host.network_mode == "bridge";
    for (const auto& link : legacy_links ? host.links : std::vector<std::string>{}) {
        const std::string name = cut(link, ':').first;
        if (auto other = find(name); !other) {
            return invalid("could not get container for " + name + ": " + other.error().message);
        }
    }
    return ok();
}

Result<std::string> Containers::Impl::reserve_name(std::string name, const ContainerId& id) {
    if (name.empty()) {
        for (int attempt = 0; attempt < name_attempts_max; ++attempt) {
            name = make_container_name(env.random, attempt);
            if (names.try_emplace(name, id).second) { return name; }
        }
        name = id.short_text();
    }
    if (name.starts_with('/')) { name.erase(0, 1); }
    TRY(container::validate_container_name(name));
    const auto [taken, free] = names.try_emplace(name, id);
    if (free) { return name; }
    return conflict(
        "Conflict. The container name \"/" + name + "\" is already in use by container \"" +
        taken->second.text() +
        "\". You have to remove (or rename) that container to be able to reuse that name.");
}

Result<std::vector<container::MountPoint>>
Containers::Impl::plan_all_mounts(const Container& container) const {
    TRY_LET(mounts, container::plan_mounts(container.config, container.host_config));
    for (const auto& text : container.host_config.volumes_from) {
        TRY_LET(from, container::parse_volumes_from(text));
        const auto other = find(from.container);
        if (!other) {
            return invalid(other.error().message);
        } // a 404 would make clients look for the image
        for (const auto& theirs : (*other)->record->mounts) {
            if (theirs.type != "bind" && theirs.type != "volume") { continue; }
            const auto same = std::find_if(mounts.begin(), mounts.end(), [&](const auto& mount) {
                return mount.destination == theirs.destination;
            });
            if (same == mounts.end()) {
                mounts.push_back(inherited(theirs, from));
            } else if (is_anonymous(*same)) {
                *same = inherited(theirs, from);
            }
        }
    }
    return mounts;
}

/// Gives every volume its name and place, and checks what can be checked of the other sources.
net::Task<Result<void>> Containers::Impl::ensure_volumes(Container* container) {
    for (auto& mount : container->mounts) {
        if (mount.type == "volume") {
            const bool anonymous = mount.name.empty();
            VolumeRequest request{mount.name, mount.driver.empty() ? "local" : mount.driver,
                                  mount.driver_options, mount.labels};
            CO_TRY_LET(volume, co_await volumes.ensure(request));
            mount.name = volume.name;
            mount.source = volume.mountpoint;
            mount.driver = volume.driver;
            if (anonymous) { container->anonymous_volumes.push_back(volume.name); }
        } else if (mount.type == "bind" && !mount.create_source) {
            CO_TRY_LET(kind, co_await volumes.probe_path(mount.source));
            if (kind == PathKind::Missing) {
                co_return invalid(
                    "invalid mount config for type \"bind\": bind source path does not exist: " +
                    mount.source);
            }
        } else if (mount.type == "image") {
            CO_TRY_LET(image, images.resolve(mount.source));
            mount.name = image.id.text();
        }
    }
    co_return ok();
}

Result<std::vector<std::string>>
Containers::Impl::validate(const container::CreateRequest& request) const {
    container::ValidateOptions options;
    for (const auto& [runtime_name, runtime] : env.settings.runtimes) {
        options.runtimes.insert(runtime_name);
    }
    if (os::find_program("runc")) { options.runtimes.insert("runc"); }
    return container::validate_create(request, facts, options);
}

net::Task<Result<Created>> Containers::Impl::create(container::CreateRequest request,
                                                    std::string name, Purpose purpose) {
    if (shutting_down) { co_return Error{Errc::Unavailable, "the daemon is shutting down"}; }
    if (request.config.image.empty()) { co_return invalid("Config.Image: no image specified"); }
    CO_TRY_LET(image, images.resolve(request.config.image));
    const Images::Hold hold = images.hold(image.id);
    const bool build_step = purpose == Purpose::BuildStep;
    const oci::RunConfig defaults_of_image =
        build_step ? for_build_step(image.config->config) : image.config->config;
    CO_TRY_LET(merged, merge_image(std::move(request.config), defaults_of_image));
    request.config = std::move(merged);

    // Options without a driver are the daemon's driver's.
    if (request.host_config.log_config.type.empty()) {
        request.host_config.log_config.type = env.settings.log_driver;
    }
    CO_TRY_LET(warnings, validate(request));
    container::CreateDefaults defaults;
    defaults.log = {env.settings.log_driver, env.settings.log_opts};
    defaults.runtime = env.settings.default_runtime;
    defaults.shm_size = env.settings.default_shm_size_bytes;
    defaults.ipc_mode = env.settings.default_ipc_mode;
    defaults.cgroup_v2 = cgroups.version == os::CgroupLayout::Version::V2;
    defaults.init = env.settings.init;
    container::fill_defaults(request, defaults);
    CO_TRY(resolve_modes(request.host_config));

    Container container;
    container.id = ContainerId::fresh(env.random);
    container.build_step = build_step;
    container.created = env.clock.now();
    container.config = std::move(request.config);
    container.host_config = std::move(request.host_config);
    if (container.config.hostname.empty()) {
        const bool hosts = container.host_config.network_mode == "host";
        container.config.hostname = hosts ? facts.host_name : container.id.short_text();
    }
    container.endpoints = std::move(request.networking_config.endpoints_config);
    container.image_id = image.id;
    const auto words = command_line(container.config);
    container.path = words.front();
    container.args.assign(words.begin() + 1, words.end());
    const std::string& driver = container.host_config.log_config.type;
    if (driver == "json-file") {
        container.log_path = data_dir(container.id) + "/" + container.id.text() + "-json.log";
    } else if (driver == "local") {
        container.log_path = data_dir(container.id) + "/local-logs/container.log";
    }

    CO_TRY_LET(reserved, reserve_name(std::move(name), container.id));
    container.name = reserved;
    Undo undo;
    undo.add([this, reserved = container.name] { names.erase(reserved); });
    CO_TRY_LET(attach, attach_request(container));
    // A network may come between create and start: that it is missing is said by the start, as
    // Docker does.
    auto fits = networks.validate_create(attach);
    if (!fits && fits.error().code != Errc::NotFound) { co_return std::move(fits).error(); }
    CO_TRY_LET(mounts, plan_all_mounts(container));
    container.mounts = std::move(mounts);
    auto volumes_ready = co_await ensure_volumes(&container);
    if (volumes_ready) { volumes_ready = os::ensure_directory(data_dir(container.id), 0710); }
    if (volumes_ready &&
        !container.log_path.empty()) { // a reader may follow it before the first start
        volumes_ready =
            os::ensure_directory(container.log_path.substr(0, container.log_path.rfind('/')), 0710);
    }
    if (volumes_ready) {
        auto entry = std::make_shared<Entry>(env.loop, container);
        entries.emplace(container.id, entry);
        volumes_ready = save(*entry);
        if (!volumes_ready) { entries.erase(container.id); }
    }
    if (!volumes_ready) {
        for (const auto& volume : container.anonymous_volumes) {
            auto removed = co_await volumes.remove(volume, true);
            (void)removed; // the first error is the one to report
        }
        (void)os::remove_tree(data_dir(container.id));
        co_return std::move(volumes_ready).error();
    }
    undo.keep();
    publish(container, "create");
    co_return Created{container.id, std::move(warnings)};
}

} // namespace shoal::engine
