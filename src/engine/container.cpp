#include "engine/container.h"

#include "container/config_codec.h"

namespace shoal::container {

template <class V> void describe(V& v, MountPoint& m) {
    v("Type", m.type);
    v("Name", m.name, codec::omit);
    v("Source", m.source, codec::omit);
    v("Destination", m.destination);
    v("Driver", m.driver, codec::omit);
    v("Mode", m.mode, codec::omit);
    v("ReadOnly", m.read_only, codec::omit);
    v("Propagation", m.propagation, codec::omit);
    v("NoCopy", m.no_copy, codec::omit);
    v("Recursive", m.recursive);
    v("ReadOnlyNonRecursive", m.read_only_non_recursive, codec::omit);
    v("ReadOnlyForceRecursive", m.read_only_force_recursive, codec::omit);
    v("CreateSource", m.create_source, codec::omit);
    v("Subpath", m.subpath, codec::omit);
    v("Labels", m.labels, codec::omit);
    v("DriverOptions", m.driver_options, codec::omit);
    v("TmpfsOptions", m.tmpfs_options, codec::omit);
    v("FromBinds", m.from_binds, codec::omit);
}

} // namespace shoal::container

namespace shoal::engine {
namespace {

constexpr std::string_view status_names[] = {"created",  "running", "paused", "restarting",
                                             "removing", "exited",  "dead"};

} // namespace

std::string to_text(Status status) {
    return std::string(status_names[static_cast<std::size_t>(status)]);
}

bool from_text(std::string_view text, Status& status) {
    const auto* found = std::find(std::begin(status_names), std::end(status_names), text);
    if (found == std::end(status_names)) { return false; }
    status = static_cast<Status>(found - std::begin(status_names));
    return true;
}

template <class V> void describe(V& v, State& s) {
    v("Status", s.status);
    v("Pid", s.pid, codec::omit);
    v("ExitCode", s.exit_code, codec::omit);
    v("OOMKilled", s.oom_killed, codec::omit);
    v("Error", s.error, codec::omit);
    v("StartedAt", s.started_at);
    v("FinishedAt", s.finished_at);
}

template <class V> void describe(V& v, Container& c) {
    v("Id", c.id);
    v("Name", c.name);
    v("Created", c.created);
    v("Path", c.path);
    v("Args", c.args);
    v("Config", c.config);
    v("HostConfig", c.host_config);
    v("Endpoints", c.endpoints);
    v("ImageId", c.image_id);
    v("Mounts", c.mounts);
    v("AnonymousVolumes", c.anonymous_volumes, codec::omit);
    v("State", c.state);
    v("RestartCount", c.restart_count, codec::omit);
    v("BuildStep", c.build_step, codec::omit);
    v("LeftMainNetwork", c.left_main_network, codec::omit);
    v("ManuallyStopped", c.manually_stopped, codec::omit);
    v("Sandbox", c.sandbox);
    v("LogPath", c.log_path, codec::omit);
}

std::string save_container(const Container& container) { return codec::print(container); }

Result<Container> load_container(std::string_view document) {
    return codec::parse<Container>(document, codec::Unknown::Ignore).with("container record");
}

network::EndpointWish endpoint_wish(const container::EndpointSettings& settings) {
    network::EndpointWish wish;
    if (settings.ipam_config) {
        wish.ipv4 = settings.ipam_config->ipv4_address;
        wish.ipv6 = settings.ipam_config->ipv6_address;
        wish.link_local = settings.ipam_config->link_local_ips;
    }
    wish.mac = settings.mac_address;
    wish.links = settings.links;
    wish.aliases = settings.aliases;
    wish.driver_options = settings.driver_opts;
    wish.gw_priority = settings.gw_priority;
    return wish;
}

} // namespace shoal::engine
