#include "api/create_shaping.h"

#include "base/text.h"

namespace shoal::api {

namespace {

std::string main_endpoint(const container::CreateRequest& request) {
    const std::string& mode = request.host_config.network_mode;
    return mode.empty() || mode == "default" ? "bridge" : mode;
}

/// Before 1.44 a container had one address, of its main endpoint.
Result<void> move_mac_address(container::CreateRequest& request, int version,
                              std::vector<std::string>& warnings) {
    std::string& mac = request.config.mac_address;
    if (mac.empty()) { return ok(); }
    const std::string name = main_endpoint(request);
    if (name == "host" || name == "none" || name.starts_with("container:")) { return ok(); }
    auto& endpoint = request.networking_config.endpoints_config[name];
    if (!endpoint.mac_address.empty() && endpoint.mac_address != mac) {
        return invalid(
            "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or "
            "should be left empty");
    }
    endpoint.mac_address = mac;
    if (version >= 144) {
        mac.clear();
        warnings.emplace_back(
            "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig "
            "instead.");
    }
    return ok();
}

void shape_mounts(container::HostConfig& host, int version) {
    for (auto& mount : host.mounts) {
        if (!mount.bind_options) { continue; }
        auto& bind = *mount.bind_options;
        if (version < 140) { bind.non_recursive = false; }
        if (version < 142) { bind.create_mountpoint = false; }
        if (version < 144) {
            bind.read_only_non_recursive = false;
            bind.read_only_force_recursive = false;
        }
    }
}

Result<void> check_mounts(const container::HostConfig& host, int version) {
    for (const auto& mount : host.mounts) {
        if (version < 145 && mount.volume_options && !mount.volume_options->subpath.empty()) {
            return invalid("specify a Subpath in VolumeOptions with API v1.45 or later");
        }
        if (version < 148 && mount.type == "image") {
            return invalid("Mount type \"image\" is supported from API v1.48 on");
        }
    }
    return ok();
}

Result<void> check_endpoints(const container::CreateRequest& request, int version) {
    const auto& endpoints = request.networking_config.endpoints_config;
    if (version >= 144 || endpoints.size() < 2) { return ok(); }
    std::vector<std::string> names;
    for (const auto& [name, settings] : endpoints) { names.push_back(name); }
    return invalid("Container cannot be created with multiple network endpoints: " +
                   join(names, ", "));
}

} // namespace

Result<std::vector<std::string>> shape_create(container::CreateRequest& request, int version) {
    std::vector<std::string> warnings;
    auto& host = request.host_config;
    TRY(check_endpoints(request, version));
    // Of the request alone: what the image exposes does no harm.
    if (host.network_mode.starts_with("container:") && !request.config.exposed_ports.empty()) {
        return invalid("conflicting options: port exposing and the container type network mode");
    }
    TRY(check_mounts(host, version));
    if (version < 140 && host.ipc_mode.empty()) { host.ipc_mode = "shareable"; }
    if (version < 140) { host.resources.pids_limit.reset(); }
    if (version < 140) { host.resources.device_requests.clear(); }
    if (version < 141 && host.cgroupns_mode.empty()) { host.cgroupns_mode = "host"; }
    if (version < 142) { host.console_size.clear(); }
    if (version >= 142) { host.resources.kernel_memory = 0; }
    if (version < 143) { host.annotations.clear(); }
    if (version < 144 && request.config.healthcheck) {
        request.config.healthcheck->start_interval = nanoseconds{0};
    }
    shape_mounts(host, version);
    // "default" is the bridge, as a mode and as the name of an endpoint.
    auto& endpoints = request.networking_config.endpoints_config;
    if (const auto found = endpoints.find("default"); found != endpoints.end()) {
        auto node = endpoints.extract(found);
        node.key() = "bridge";
        endpoints.insert(std::move(node));
    }
    TRY(move_mac_address(request, version, warnings));
    return warnings;
}

void shape_update(container::UpdateRequest& request, int version) {
    if (version < 140) { request.resources.pids_limit.reset(); }
    if (version >= 142) { request.resources.kernel_memory = 0; }
}

void shape_exec(container::ExecConfig& config, int version) {
    if (version < 142) { config.console_size.clear(); }
}

} // namespace shoal::api
