#include "node/task_config.h"

#include "base/json.h"
#include "base/text.h"
#include "node/task_networks.h"

#include <algorithm>
#include <map>
#include <set>

namespace shoal::node {
namespace {

template <class Map> std::map<std::string, std::string> sorted(const Map& map) {
    return {map.begin(), map.end()};
}
template <class List> std::vector<std::string> texts(const List& list) {
    return {list.begin(), list.end()};
}

std::string protocol_name(pb::PortConfig::Protocol protocol) {
    return to_lower(pb::PortConfig::Protocol_Name(protocol));
}

// Config: what the program is.

container::Labels labels_of(const pb::Task& task, const pb::ContainerSpec& spec,
                            const NodeFacts& node) {
    container::Labels labels = sorted(spec.labels());
    labels[std::string(label_task)] = "";
    labels[std::string(label_task_id)] = task.id();
    labels[std::string(label_task_name)] = task_name(task);
    labels[std::string(label_node_id)] = task.node_id().empty() ? node.id : task.node_id();
    labels[std::string(label_service_id)] = task.service_id();
    labels[std::string(label_service_name)] = task.service_annotations().name();
    return labels;
}

/// DOCKER_RESOURCE_GPU=a,b
std::vector<std::string> resource_env(const pb::Task& task) {
    std::map<std::string, std::vector<std::string>> values;
    for (const auto& one : task.assigned_generic_resources()) {
        if (one.has_named_resource_spec()) {
            const auto& named = one.named_resource_spec();
            values[named.kind()].push_back(named.value());
        } else {
            const auto& counted = one.discrete_resource_spec();
            values[counted.kind()].push_back(std::to_string(counted.value()));
        }
    }
    std::vector<std::string> env;
    for (const auto& [kind, list] : values) {
        env.push_back("DOCKER_RESOURCE_" + to_upper(kind) + "=" + join(list, ","));
    }
    return env;
}

container::HealthConfig health_of(const pb::HealthConfig& from) {
    container::HealthConfig health;
    health.test = texts(from.test());
    health.interval = swarm::from_duration(from.interval());
    health.timeout = swarm::from_duration(from.timeout());
    health.start_period = swarm::from_duration(from.start_period());
    health.start_interval = swarm::from_duration(from.start_interval());
    health.retries = from.retries();
    return health;
}

container::Config config_of(const pb::Task& task, const pb::ContainerSpec& spec,
                            const NodeFacts& node) {
    container::Config config;
    config.image = spec.image();
    config.entrypoint = texts(spec.command());
    config.cmd = texts(spec.args());
    config.env = texts(spec.env());
    for (auto& variable : resource_env(task)) { config.env.push_back(std::move(variable)); }
    config.labels = labels_of(task, spec, node);
    config.hostname = spec.hostname();
    config.user = spec.user();
    config.working_dir = spec.dir();
    config.tty = spec.tty();
    config.open_stdin = spec.open_stdin();
    config.stop_signal = spec.stop_signal();
    if (spec.has_stop_grace_period()) {
        const auto grace = swarm::from_duration(spec.stop_grace_period());
        config.stop_timeout =
            static_cast<int>(std::chrono::ceil<std::chrono::seconds>(grace).count());
    }
    if (spec.has_healthcheck()) { config.healthcheck = health_of(spec.healthcheck()); }
    for (const auto& port : host_ports(task)) {
        config.exposed_ports[std::to_string(port.target_port()) + "/" +
                             protocol_name(port.protocol())] = {};
    }
    return config;
}

// HostConfig: what it gets of the node.

std::string propagation_name(pb::Mount::BindOptions::Propagation propagation) {
    return to_lower(pb::Mount::BindOptions::Propagation_Name(propagation));
}

container::BindOptions bind_options(const pb::Mount::BindOptions& from) {
    container::BindOptions options;
    options.propagation = propagation_name(from.propagation());
    options.non_recursive = from.nonrecursive();
    options.create_mountpoint = from.createmountpoint();
    options.read_only_non_recursive = from.readonlynonrecursive();
    options.read_only_force_recursive = from.readonlyforcerecursive();
    return options;
}

container::VolumeOptions volume_options(const pb::Mount::VolumeOptions& from) {
    container::VolumeOptions options;
    options.no_copy = from.nocopy();
    options.labels = sorted(from.labels());
    options.subpath = from.subpath();
    if (from.has_driver_config()) {
        options.driver_config = container::DriverConfig{from.driver_config().name(),
                                                        sorted(from.driver_config().options())};
    }
    return options;
}

/// [["noexec"],["size","1m"]] as JSON, or "noexec,size=1m".
Result<std::vector<std::vector<std::string>>> tmpfs_words(const std::string& text) {
    std::vector<std::vector<std::string>> words;
    if (text.empty()) { return words; }
    if (!text.starts_with('[')) {
        for (const auto& option : split(text, ',')) {
            const auto [name, value] = cut(option, '=');
            words.push_back(value.empty() ? std::vector{name} : std::vector{name, value});
        }
        return words;
    }
    TRY_LET(list, parse_json(text));
    for (const auto& option : list) {
        auto& pair = words.emplace_back();
        if (!option.is_array()) { return invalid("tmpfs options: expected a list of lists"); }
        for (const auto& word : option) {
            if (!word.is_string()) { return invalid("tmpfs options: expected texts"); }
            pair.push_back(word.get<std::string>());
        }
    }
    return words;
}

Result<container::MountSpec> mount_of(const pb::Mount& from) {
    container::MountSpec mount;
    mount.source = from.source();
    mount.target = from.target();
    mount.read_only = from.readonly();
    switch (from.type()) {
    case pb::Mount::BIND:
        mount.type = "bind";
        if (from.has_bind_options()) { mount.bind_options = bind_options(from.bind_options()); }
        return mount;
    case pb::Mount::VOLUME:
        mount.type = "volume";
        if (from.has_volume_options()) {
            mount.volume_options = volume_options(from.volume_options());
        }
        return mount;
    case pb::Mount::TMPFS: {
        mount.type = "tmpfs";
        if (!from.has_tmpfs_options()) { return mount; }
        const auto& options = from.tmpfs_options();
        TRY_LET(words, tmpfs_words(options.options()));
        mount.tmpfs_options =
            container::TmpfsOptions{options.size_bytes(), options.mode(), std::move(words)};
        return mount;
    }
    default:
        return unsupported("mount " + from.target() + ": type " +
                           to_lower(pb::Mount::Type_Name(from.type())) + " is not supported");
    }
}

/// "192.0.2.7 db db.example" becomes "db:192.0.2.7", "db.example:192.0.2.7".
Result<std::vector<std::string>> extra_hosts(const pb::ContainerSpec& spec) {
    std::vector<std::string> out;
    for (const auto& entry : spec.hosts()) {
        std::vector<std::string> words;
        for (auto& word : split(replace_all(entry, "\t", " "), ' ')) {
            if (!word.empty()) { words.push_back(std::move(word)); }
        }
        if (words.size() < 2) {
            return invalid("hosts: \"" + entry + "\" is not an address with names");
        }
        for (std::size_t i = 1; i < words.size(); ++i) { out.push_back(words[i] + ":" + words[0]); }
    }
    return out;
}

Result<std::vector<std::string>> security_options(const pb::Privileges& from) {
    std::vector<std::string> options;
    if (from.has_credential_spec()) {
        return unsupported("credential specs are for Windows containers");
    }
    const auto& selinux = from.selinux_context();
    if (selinux.disable()) { options.emplace_back("label=disable"); }
    for (const auto& [name, value] : {std::pair<std::string, std::string>{"user", selinux.user()},
                                      {"role", selinux.role()},
                                      {"type", selinux.type()},
                                      {"level", selinux.level()}}) {
        if (!value.empty()) { options.push_back("label=" + name + ":" + value); }
    }
    switch (from.seccomp().mode()) {
    case pb::Privileges::SeccompOpts::UNCONFINED:
        options.emplace_back("seccomp=unconfined");
        break;
    case pb::Privileges::SeccompOpts::CUSTOM:
        options.push_back("seccomp=" + from.seccomp().profile());
        break;
    default:
        break;
    }
    if (from.apparmor().mode() == pb::Privileges::AppArmorOpts::DISABLED) {
        options.emplace_back("apparmor=unconfined");
    }
    if (from.no_new_privileges()) { options.emplace_back("no-new-privileges=true"); }
    return options;
}

container::Resources resources_of(const pb::Task& task, const pb::ContainerSpec& spec) {
    container::Resources resources;
    const auto& wanted = task.spec().resources();
    resources.nano_cpus = wanted.limits().nano_cpus();
    resources.memory = wanted.limits().memory_bytes();
    if (wanted.has_swap_bytes()) {
        const auto swap = wanted.swap_bytes().value();
        resources.memory_swap = swap < 0 ? -1 : resources.memory + swap;
    }
    if (wanted.has_memory_swappiness()) {
        resources.memory_swappiness = wanted.memory_swappiness().value();
    }
    if (spec.pidslimit() != 0) { resources.pids_limit = spec.pidslimit(); }
    for (const auto& limit : spec.ulimits()) {
        resources.ulimits.push_back({limit.name(), limit.soft(), limit.hard()});
    }
    for (const auto& device : spec.devices()) {
        resources.devices.push_back(
            {device.path_on_host(),
             device.path_in_container().empty() ? device.path_on_host()
                                                : device.path_in_container(),
             device.cgroup_permissions().empty() ? "rwm" : device.cgroup_permissions()});
    }
    return resources;
}

/// The service's driver, or the cluster's default that the managers put on the task; else the
/// node's.
container::LogConfig log_of(const pb::Task& task) {
    const auto& driver =
        task.spec().log_driver().name().empty() ? task.log_driver() : task.spec().log_driver();
    return {driver.name(), sorted(driver.options())};
}

container::PortMap port_bindings(const pb::Task& task) {
    container::PortMap bindings;
    for (const auto& port : host_ports(task)) {
        const auto number = port.published_port();
        bindings[std::to_string(port.target_port()) + "/" + protocol_name(port.protocol())]
            .push_back({"", number == 0 ? std::string() : std::to_string(number)});
    }
    return bindings;
}

Result<void> fill_mounts(container::HostConfig& host, const pb::ContainerSpec& spec,
                         const std::vector<FileBind>& files) {
    for (const auto& mount : spec.mounts()) {
        TRY_LET(made, mount_of(mount));
        host.mounts.push_back(std::move(made));
    }
    for (const auto& file : files) {
        container::MountSpec mount;
        mount.type = "bind";
        mount.source = file.source;
        mount.target = file.target;
        mount.read_only = true;
        host.mounts.push_back(std::move(mount));
    }
    return ok();
}

Result<container::HostConfig> host_of(const pb::Task& task, const pb::ContainerSpec& spec,
                                      const std::vector<FileBind>& files) {
    container::HostConfig host;
    TRY(fill_mounts(host, spec, files));
    TRY_LET(hosts, extra_hosts(spec));
    host.extra_hosts = std::move(hosts);
    TRY_LET(security, security_options(spec.privileges()));
    host.security_opt = std::move(security);
    host.resources = resources_of(task, spec);
    host.log_config = log_of(task);
    host.port_bindings = port_bindings(task);
    host.restart_policy.name = "no"; // the managers decide what follows an end
    host.dns = texts(spec.dns_config().nameservers());
    host.dns_search = texts(spec.dns_config().search());
    host.dns_options = texts(spec.dns_config().options());
    host.group_add = texts(spec.groups());
    host.cap_add = texts(spec.capability_add());
    host.cap_drop = texts(spec.capability_drop());
    host.sysctls = sorted(spec.sysctls());
    host.readonly_rootfs = spec.read_only();
    host.privileged = spec.privileged();
    host.oom_score_adj = static_cast<int>(spec.oom_score_adj());
    if (spec.has_init()) { host.init = spec.init().value(); }
    if (spec.isolation() != pb::ContainerSpec::ISOLATION_DEFAULT) {
        return invalid("isolation is for Windows containers");
    }
    return host;
}

Result<void> fill_networks(container::CreateRequest& request, const pb::Task& task) {
    for (const auto& attachment : task.networks()) {
        const auto& network = attachment.network();
        // A node may have one of its own with the name of the cluster's.
        const auto& name = is_overlay(network) ? network.id() : swarm::name_of(network);
        auto& mode = request.host_config.network_mode;
        if (mode == "host" || (!mode.empty() && name == "host")) {
            return invalid("network host cannot be used together with another network");
        }
        if (mode.empty()) { mode = name; }
        if (is_predefined(network)) { continue; } // has no names of its own
        auto& endpoint = request.networking_config.endpoints_config[name];
        // In the cluster's networks they are names of the service.
        if (!is_overlay(network)) { endpoint.aliases = texts(attachment.aliases()); }
        endpoint.driver_opts = sorted(attachment.driver_attachment_opts());
        for (const auto& ip : addresses_of(attachment)) {
            if (!endpoint.ipam_config) { endpoint.ipam_config.emplace(); }
            (ip.is_v4() ? endpoint.ipam_config->ipv4_address
                        : endpoint.ipam_config->ipv6_address) = ip.text();
        }
    }
    return ok();
}

} // namespace

std::vector<pb::PortConfig> host_ports(const pb::Task& task) {
    const auto& endpoint = task.endpoint();
    const auto& ports = endpoint.ports().empty() ? endpoint.spec().ports() : endpoint.ports();
    std::vector<pb::PortConfig> out;
    for (const auto& port : ports) {
        if (port.publish_mode() == pb::PortConfig::HOST) { out.push_back(port); }
    }
    return out;
}

std::string task_of(const container::Labels& labels, const std::string& container_name) {
    const auto id = labels.find(std::string(label_task_id));
    const auto name = labels.find(std::string(label_task_name));
    const bool is_task = id != labels.end() && name != labels.end();
    return is_task && name->second == container_name ? id->second : std::string();
}

std::vector<pb::Network> local_networks(const pb::Task& task) {
    std::vector<pb::Network> out;
    for (const auto& attachment : task.networks()) {
        const auto& network = attachment.network();
        if (is_overlay(network) || is_predefined(network)) { continue; }
        out.push_back(network);
    }
    return out;
}

std::vector<pb::GenericResource> read_generic_resources(const std::vector<std::string>& texts) {
    std::vector<pb::GenericResource> out;
    for (const auto& text : texts) {
        const auto [kind, value] = cut(text, '=');
        if (const auto number = parse_number<std::int64_t>(value)) {
            auto& counted = *out.emplace_back().mutable_discrete_resource_spec();
            counted.set_kind(kind);
            counted.set_value(*number);
        } else {
            auto& named = *out.emplace_back().mutable_named_resource_spec();
            named.set_kind(kind);
            named.set_value(value);
        }
    }
    return out;
}

Result<container::CreateRequest> make_create_request(const pb::Task& task,
                                                     const pb::ContainerSpec& spec,
                                                     const NodeFacts& node,
                                                     const std::vector<FileBind>& files) {
    if (!task.spec().has_container()) {
        return unsupported("task " + task.id() + ": only containers can be run here");
    }
    container::CreateRequest request;
    request.config = config_of(task, spec, node);
    TRY_LET(host, host_of(task, spec, files));
    request.host_config = std::move(host);
    TRY(fill_networks(request, task));
    return request;
}

} // namespace shoal::node
