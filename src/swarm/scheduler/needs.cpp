#include "swarm/scheduler/needs.h"

#include "base/text.h"

namespace shoal::swarm {
namespace {

const google::protobuf::RepeatedPtrField<pb::PortConfig>& ports_of(const pb::Task& task) {
    const auto& endpoint = task.endpoint();
    return endpoint.ports().empty() ? endpoint.spec().ports() : endpoint.ports();
}

/// A network's driver as it was allocated, or as it was asked for.
const std::string& driver_of(const pb::Network& network) {
    const auto& allocated = network.driver_state().name();
    return allocated.empty() ? network.spec().driver_config().name() : allocated;
}

std::vector<Plugin> plugins_of(const pb::Task& task) {
    std::vector<Plugin> plugins;
    for (const auto& mount : task.spec().container().mounts()) {
        const auto& driver = mount.volume_options().driver_config().name();
        if (mount.type() == pb::Mount::VOLUME && !driver.empty()) {
            plugins.push_back({"Volume", driver});
        }
    }
    for (const auto& attachment : task.networks()) {
        const auto& driver = driver_of(attachment.network());
        if (!driver.empty()) { plugins.push_back({"Network", driver}); }
    }
    const auto& log = task.spec().log_driver().name();
    if (!log.empty() && log != "none") { plugins.push_back({"Log", log}); }
    return plugins;
}

bool uses_overlay(const pb::Task& task) {
    for (const auto& attachment : task.networks()) {
        if (attachment.network().spec().ingress() || driver_of(attachment.network()) == "overlay") {
            return true;
        }
    }
    for (const auto& port : ports_of(task)) {
        if (port.publish_mode() == pb::PortConfig::INGRESS) { return true; }
    }
    return false;
}

std::string extension_of(const pb::Task& task) {
    if (uses_overlay(task)) { return "overlay networks"; }
    const auto& container = task.spec().container();
    if (container.privileged()) { return "privileged tasks"; }
    return container.devices().empty() ? "" : "devices";
}

} // namespace

std::string_view plain_architecture(std::string_view name) {
    if (name == "x86_64") { return "amd64"; }
    return name == "aarch64" ? "arm64" : name;
}

Generics read_generics(const google::protobuf::RepeatedPtrField<pb::GenericResource>& list) {
    Generics out;
    for (const auto& one : list) {
        if (one.has_named_resource_spec()) {
            const auto& named = one.named_resource_spec();
            out.named[named.kind()].insert(named.value());
        } else if (one.has_discrete_resource_spec()) {
            const auto& counted = one.discrete_resource_spec();
            out.counted[counted.kind()] += counted.value();
        }
    }
    return out;
}

std::vector<HostPort> host_ports_of(const pb::Task& task) {
    std::vector<HostPort> out;
    for (const auto& port : ports_of(task)) {
        if (port.publish_mode() == pb::PortConfig::HOST && port.published_port() != 0) {
            out.emplace_back(port.protocol(), port.published_port());
        }
    }
    return out;
}

TaskNeeds read_needs(const pb::Task& task) {
    TaskNeeds needs;
    const auto& reserved = task.spec().resources().reservations();
    needs.nano_cpus = reserved.nano_cpus();
    needs.memory_bytes = reserved.memory_bytes();
    needs.generics = read_generics(reserved.generic());
    needs.plugins = plugins_of(task);
    const auto& placement = task.spec().placement();
    if (auto read = parse_constraints(placement.constraints())) {
        needs.constraints = std::move(read).value();
    } else {
        needs.unreadable_constraints = true;
    }
    needs.platforms.assign(placement.platforms().begin(), placement.platforms().end());
    needs.host_ports = host_ports_of(task);
    needs.service_id = task.service_id();
    needs.max_replicas = placement.max_replicas();
    for (const auto& mount : task.spec().container().mounts()) {
        needs.cluster_volumes |= mount.type() == pb::Mount::CLUSTER;
    }
    needs.attachment = task.spec().has_attachment();
    needs.extension = extension_of(task);
    return needs;
}

} // namespace shoal::swarm
