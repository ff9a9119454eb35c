#include "api/container_document.h"

#include "base/text.h"
#include "base/time.h"
#include "container/config_codec.h"
#include "container/health.h"
#include "container/ports.h"
#include "container/spec.h"
#include "image/rootfs.h"
#include "oci/ids.h"

#include <algorithm>
#include <set>

namespace shoal::api {

using engine::Container;
using engine::Status;

namespace {

/// Go shows an empty list that was never set as null; clients have learnt to expect that of these.
void null_when_empty(Json& object, std::initializer_list<const char*> names) {
    for (const char* name : names) {
        if (object.contains(name) && object[name].empty()) { object[name] = nullptr; }
    }
}

bool is_attached(const Container& container) {
    return container.state.running() && !container.sandbox.mode.empty();
}

std::string main_network(const Container& container) {
    const std::string& mode = container.host_config.network_mode;
    if (container.left_main_network) { return {}; }
    if (mode.empty() || mode == "default") { return "bridge"; }
    return mode.starts_with("container:") ? std::string() : mode;
}

Json text_or_null(const std::vector<std::string>& list) {
    return list.empty() ? Json(nullptr) : Json(list);
}

/// What was asked for; the other half is filled in when the container runs.
Json asked_endpoint(const container::EndpointSettings& settings, const std::string& network_id) {
    Json row;
    row["IPAMConfig"] = settings.ipam_config ? codec::write(*settings.ipam_config) : Json(nullptr);
    row["Links"] = text_or_null(settings.links);
    row["Aliases"] = text_or_null(settings.aliases);
    row["MacAddress"] = settings.mac_address;
    row["DriverOpts"] =
        settings.driver_opts.empty() ? Json(nullptr) : codec::write(settings.driver_opts);
    row["GwPriority"] = settings.gw_priority;
    row["NetworkID"] = network_id;
    row["EndpointID"] = "";
    row["Gateway"] = "";
    row["IPAddress"] = "";
    row["IPPrefixLen"] = 0;
    row["IPv6Gateway"] = "";
    row["GlobalIPv6Address"] = "";
    row["GlobalIPv6PrefixLen"] = 0;
    row["DNSNames"] = nullptr;
    return row;
}

container::EndpointSettings settings_of(const network::EndpointWish& wish) {
    container::EndpointSettings settings;
    if (!wish.ipv4.empty() || !wish.ipv6.empty() || !wish.link_local.empty()) {
        settings.ipam_config = container::EndpointIpamConfig{wish.ipv4, wish.ipv6, wish.link_local};
    }
    settings.links = wish.links;
    settings.aliases = wish.aliases;
    settings.driver_opts = wish.driver_options;
    settings.gw_priority = wish.gw_priority;
    return settings;
}

Json live_endpoint(const network::EndpointState& state) {
    Json row = asked_endpoint(settings_of(state.wish), state.network.text());
    row["MacAddress"] = state.mac;
    row["EndpointID"] = state.endpoint;
    row["Gateway"] = state.gateway;
    row["IPAddress"] = state.ipv4;
    row["IPPrefixLen"] = state.ipv4_bits;
    row["IPv6Gateway"] = state.gateway6;
    row["GlobalIPv6Address"] = state.ipv6;
    row["GlobalIPv6PrefixLen"] = state.ipv6_bits;
    row["DNSNames"] = text_or_null(state.dns_names);
    return row;
}

/// Before 1.45 the short id was among the aliases, and there were no DNSNames (1.44); before 1.48
/// no GwPriority.
void shape_endpoint(Json& row, const Container& container, const std::string& network,
                    int version) {
    const bool predefined = network == "bridge" || network == "host" || network == "none";
    if (version < 145 && !predefined) {
        if (row["Aliases"].is_null()) { row["Aliases"] = Json::array(); }
        row["Aliases"].push_back(container.id.short_text());
    }
    if (version < 144) { row.erase("DNSNames"); }
    if (version < 148) { row.erase("GwPriority"); }
}

Json state_document(const Container& container) {
    const engine::State& state = container.state;
    Json row;
    row["Status"] = to_text(state.status);
    row["Running"] = state.running() || state.status == Status::Restarting;
    row["Paused"] = state.status == Status::Paused;
    row["Restarting"] = state.status == Status::Restarting;
    row["OOMKilled"] = state.oom_killed;
    row["Dead"] = state.status == Status::Dead;
    row["Pid"] = state.pid;
    row["ExitCode"] = state.exit_code;
    row["Error"] = state.error;
    row["StartedAt"] = format_rfc3339(state.started_at);
    row["FinishedAt"] = format_rfc3339(state.finished_at);
    if (container.health.status != container::HealthStatus::None) {
        row["Health"] = health_json(container.health);
    }
    return row;
}

Json config_document(const Container& container, int version) {
    Json row = codec::write(container.config);
    null_when_empty(row, {"Cmd", "Entrypoint", "Env", "OnBuild", "Volumes"});
    row.erase("MacAddress");
    if (version >= 144) { return row; }
    std::string mac = container.config.mac_address;
    for (const auto& endpoint : container.sandbox.endpoints) {
        if (endpoint.network_name == main_network(container)) { mac = endpoint.mac; }
    }
    if (!mac.empty()) { row["MacAddress"] = mac; }
    return row;
}

/// On the default bridge Docker shows links as paths: "/db:/web/alias".
Json link_paths(const Container& container) {
    Json list = Json::array();
    for (const auto& link : container.host_config.links) {
        const auto [target, alias] = cut(link, ':');
        const std::string name = alias.empty() ? target : alias;
        list.push_back("/" + target + ":/" + container.name + "/" + name);
    }
    return list;
}

Json host_config_document(const Container& container, int version) {
    Json row = codec::write(container.host_config);
    null_when_empty(row, {"Binds", "VolumesFrom", "CapAdd", "CapDrop", "ExtraHosts", "GroupAdd",
                          "Links", "SecurityOpt", "DeviceCgroupRules", "DeviceRequests"});
    if (main_network(container) == "bridge" && !container.host_config.links.empty()) {
        row["Links"] = link_paths(container);
    }
    // "-1" of swappiness and "0" of processes are words for "not asked".
    const container::Resources& resources = container.host_config.resources;
    if (resources.memory_swappiness == -1) { row["MemorySwappiness"] = nullptr; }
    if (resources.pids_limit == 0) { row["PidsLimit"] = nullptr; }
    for (const char* name : {"CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"}) {
        row[name] = 0;
    }
    if (!container.host_config.privileged) {
        if (!container.host_config.masked_paths) {
            row["MaskedPaths"] = container::default_masked_paths();
        }
        if (!container.host_config.readonly_paths) {
            row["ReadonlyPaths"] = container::default_readonly_paths();
        }
    }
    if (!row.contains("ConsoleSize")) { row["ConsoleSize"] = Json::array({0, 0}); }
    if (version < 142 && !row.contains("KernelMemory")) { row["KernelMemory"] = 0; }
    if (version >= 142) { row.erase("KernelMemory"); }
    if (version < 143) { row.erase("Annotations"); }
    return row;
}

/// {"80/tcp": [{"HostIp","HostPort"}]}; null for a port that is exposed and not published. Only
/// bridges know of ports.
Json port_map(const Container& container) {
    Json map = Json::object();
    const auto on_bridge = [](const network::EndpointState& endpoint) {
        return endpoint.driver == "bridge";
    };
    const auto& endpoints = container.sandbox.endpoints;
    if (!is_attached(container) || std::none_of(endpoints.begin(), endpoints.end(), on_bridge)) {
        return map;
    }
    for (const auto& [text, nothing] : container.config.exposed_ports) {
        auto ports = container::parse_exposed(text);
        if (!ports) { continue; }
        for (const auto& port : *ports) { map[to_text(port)] = nullptr; }
    }
    for (const auto& binding : container.sandbox.ports) {
        Json& list = map[to_text(binding.container)];
        if (!list.is_array()) { list = Json::array(); }
        list.push_back(
            Json{{"HostIp", binding.host_ip}, {"HostPort", std::to_string(binding.host_port)}});
    }
    return map;
}

Json network_settings(const Container& container, const DocumentContext& context) {
    const auto& sandbox = container.sandbox;
    Json row;
    row["Bridge"] = "";
    row["SandboxID"] =
        is_attached(container) && !sandbox.netns_path.empty() ? container.id.text() : "";
    row["SandboxKey"] = is_attached(container) ? sandbox.netns_path : "";
    row["Ports"] = port_map(container);
    row["HairpinMode"] = false;
    row["LinkLocalIPv6Address"] = "";
    row["LinkLocalIPv6PrefixLen"] = 0;
    row["SecondaryIPAddresses"] = nullptr;
    row["SecondaryIPv6Addresses"] = nullptr;
    // Those of the default bridge, once more, where scripts of ten years look for them.
    static const network::EndpointState none;
    const network::EndpointState* bridge = &none;
    for (const auto& endpoint : sandbox.endpoints) {
        if (is_attached(container) && endpoint.network_name == "bridge") { bridge = &endpoint; }
    }
    row["EndpointID"] = bridge->endpoint;
    row["Gateway"] = bridge->gateway;
    row["GlobalIPv6Address"] = bridge->ipv6;
    row["GlobalIPv6PrefixLen"] = bridge->ipv6_bits;
    row["IPAddress"] = bridge->ipv4;
    row["IPPrefixLen"] = bridge->ipv4_bits;
    row["IPv6Gateway"] = bridge->gateway6;
    row["MacAddress"] = bridge->mac;
    row["Networks"] = network_map(container, context);
    return row;
}

Json graph_driver(const Container& container, const DocumentContext& context) {
    const auto root = image::rootfs_in(context.data_root + "/containers/" + container.id.text());
    Json data;
    data["LowerDir"] = join(context.layer_dirs, ":");
    data["MergedDir"] = root.merged;
    data["UpperDir"] = root.upper;
    data["WorkDir"] = root.work;
    return Json{{"Name", "overlay2"}, {"Data", std::move(data)}};
}

} // namespace

Json network_map(const Container& container, const DocumentContext& context) {
    Json map = Json::object();
    if (is_attached(container)) {
        for (const auto& endpoint : container.sandbox.endpoints) {
            if (endpoint.automatic) { continue; }
            map[endpoint.network_name] = live_endpoint(endpoint);
        }
    }
    const auto id_of = [&](const std::string& name) {
        return context.network_id ? context.network_id(name) : std::string();
    };
    if (map.empty()) {
        for (const auto& [name, settings] : container.endpoints) {
            map[name] = asked_endpoint(settings, id_of(name));
        }
        const std::string main = main_network(container);
        if (!main.empty() && !map.contains(main)) { map[main] = asked_endpoint({}, id_of(main)); }
    }
    for (auto& [name, row] : map.items()) { shape_endpoint(row, container, name, context.version); }
    return map;
}

Json mount_list(const Container& container) {
    Json list = Json::array();
    for (const auto& mount : container.mounts) {
        if (mount.type == "tmpfs" && container.host_config.tmpfs.contains(mount.destination)) {
            continue;
        }
        Json row{{"Type", mount.type}};
        if (!mount.name.empty()) { row["Name"] = mount.name; }
        row["Source"] = mount.type == "tmpfs" ? "" : mount.source;
        row["Destination"] = mount.destination;
        if (!mount.driver.empty()) { row["Driver"] = mount.driver; }
        row["Mode"] = mount.mode;
        row["RW"] = !mount.read_only;
        row["Propagation"] = mount.propagation;
        list.push_back(std::move(row));
    }
    return list;
}

Json port_list(const Container& container) {
    Json list = Json::array();
    if (!is_attached(container)) { return list; }
    std::set<network::PortKey> published;
    for (const auto& binding : container.sandbox.ports) {
        published.insert(binding.container);
        Json row;
        row["IP"] = binding.host_ip.empty() ? "0.0.0.0" : binding.host_ip;
        row["PrivatePort"] = binding.container.port;
        row["PublicPort"] = binding.host_port;
        row["Type"] = to_text(binding.container.protocol);
        list.push_back(std::move(row));
    }
    for (const auto& [text, nothing] : container.config.exposed_ports) {
        auto ports = container::parse_exposed(text);
        if (!ports) { continue; }
        for (const auto& port : *ports) {
            network::PortKey key{port.number, network::Protocol::Tcp};
            if (!network::from_text(port.protocol, key.protocol) || published.contains(key)) {
                continue;
            }
            list.push_back(Json{{"PrivatePort", port.number}, {"Type", port.protocol}});
        }
    }
    return list;
}

std::string command_text(const Container& container) {
    std::string text = container.path;
    for (const auto& word : container.args) {
        text += word.find(' ') == std::string::npos ? " " + word : " '" + word + "'";
    }
    return text;
}

SummaryText summary_text(const Container& container, const DocumentContext& context) {
    Json head;
    head["Id"] = container.id.text();
    head["Names"] = Json::array({"/" + container.name});
    head["Image"] = context.image_name;
    head["ImageID"] = oci::prefixed(container.image_id);
    head["Command"] = command_text(container);
    head["Created"] = unix_seconds(container.created);
    head["Ports"] = port_list(container);
    head["Labels"] = codec::write(container.config.labels);
    head["State"] = to_text(container.state.status);
    Json tail;
    tail["HostConfig"] = Json{{"NetworkMode", container.host_config.network_mode}};
    if (context.version >= 146 && !container.host_config.annotations.empty()) {
        tail["HostConfig"]["Annotations"] = codec::write(container.host_config.annotations);
    }
    tail["NetworkSettings"] = Json{{"Networks", network_map(container, context)}};
    tail["Mounts"] = mount_list(container);
    SummaryText text;
    text.before = dump_json(head);
    text.before.pop_back();
    text.before += ",\"Status\":";
    text.after = "," + dump_json(tail).substr(1);
    text.after.pop_back();
    return text;
}

Json inspect_document(const Container& container, const DocumentContext& context,
                      const std::optional<engine::Sizes>& sizes) {
    const std::string directory = context.data_root + "/containers/" + container.id.text();
    const bool was_started = container.state.started_at != Instant{};
    const auto own_file = [&](const char* name) {
        return was_started ? directory + "/" + name : std::string();
    };
    Json row;
    row["Id"] = container.id.text();
    row["Created"] = format_rfc3339(container.created);
    row["Path"] = container.path;
    row["Args"] = container.args;
    row["State"] = state_document(container);
    row["Image"] = oci::prefixed(container.image_id);
    row["ResolvConfPath"] = own_file("resolv.conf");
    row["HostnamePath"] = own_file("hostname");
    row["HostsPath"] = own_file("hosts");
    row["LogPath"] = was_started ? container.log_path : "";
    row["Name"] = "/" + container.name;
    row["RestartCount"] = container.restart_count;
    row["Driver"] = "overlay2";
    row["Platform"] = "linux";
    row["MountLabel"] = "";
    row["ProcessLabel"] = "";
    row["AppArmorProfile"] = "";
    row["ExecIDs"] = text_or_null(container.exec_ids);
    row["HostConfig"] = host_config_document(container, context.version);
    row["GraphDriver"] = graph_driver(container, context);
    if (sizes) {
        row["SizeRw"] = sizes->rw_bytes;
        row["SizeRootFs"] = sizes->root_bytes;
    }
    row["Mounts"] = mount_list(container);
    row["Config"] = config_document(container, context.version);
    row["NetworkSettings"] = network_settings(container, context);
    return row;
}

} // namespace shoal::api
