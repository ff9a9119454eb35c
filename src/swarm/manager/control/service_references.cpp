#include "swarm/manager/control/service_references.h"

#include "base/text.h"
#include "swarm/manager/control/find.h"

#include <set>

namespace shoal::swarm {
namespace {

Result<void> resolve_network(const Store& store, pb::NetworkAttachmentConfig& wanted) {
    TRY_LET(network, find<pb::Network>(store, wanted.target()));
    if (network->spec().ingress()) {
        return invalid("Service cannot be explicitly attached to the ingress network " +
                       go_quote(network->spec().annotations().name()));
    }
    wanted.set_target(network->id());
    return ok();
}

Error missing(const char* kind, const std::vector<std::string>& names) {
    return invalid(std::string(kind) + (names.size() == 1 ? " not found: " : "s not found: ") +
                   join(names, ", "));
}

Result<void> check_secrets(const Store& store, const pb::ContainerSpec& container) {
    std::vector<std::string> absent;
    for (const auto& reference : container.secrets()) {
        const auto secret = store.get<pb::Secret>(reference.secret_id());
        if (!secret || secret->spec().annotations().name() != reference.secret_name()) {
            absent.push_back(reference.secret_name());
        }
    }
    if (absent.empty()) { return ok(); }
    return missing("secret", absent);
}

Result<void> check_configs(const Store& store, const pb::ContainerSpec& container) {
    std::vector<std::string> absent;
    for (const auto& reference : container.configs()) {
        const auto config = store.get<pb::Config>(reference.config_id());
        if (!config || config->spec().annotations().name() != reference.config_name()) {
            absent.push_back(reference.config_name());
        }
    }
    if (absent.empty()) { return ok(); }
    return missing("config", absent);
}

using PortKey = std::pair<std::uint32_t, pb::PortConfig::Protocol>;

Error port_taken(const pb::PortConfig& port, const pb::Service& owner) {
    const bool host = port.publish_mode() == pb::PortConfig::HOST;
    return invalid("port '" + std::to_string(port.published_port()) +
                   "' is already in use by service '" + owner.spec().annotations().name() + "' (" +
                   owner.id() + ")" + (host ? " as a host-published port" : " as an ingress port"));
}

/// The owner's ports as it asked for them and as it got them.
Result<void> check_against(const pb::Service& owner, const std::set<PortKey>& ingress,
                           const std::set<PortKey>& host) {
    const auto check = [&](const pb::PortConfig& port) -> Result<void> {
        const PortKey key{port.published_port(), port.protocol()};
        const bool by_mesh = port.publish_mode() == pb::PortConfig::INGRESS;
        const bool taken = ingress.contains(key) || (by_mesh && host.contains(key));
        if (port.published_port() == 0 || !taken) { return ok(); }
        return port_taken(port, owner);
    };
    for (const auto& port : owner.spec().endpoint().ports()) { TRY(check(port)); }
    for (const auto& port : owner.endpoint().ports()) { TRY(check(port)); }
    return ok();
}

} // namespace

Result<void> resolve_networks(const Store& store, pb::ServiceSpec& spec) {
    auto& task = *spec.mutable_task();
    if (task.networks().empty()) { task.mutable_networks()->Swap(spec.mutable_networks()); }
    spec.clear_networks();
    std::set<std::string> seen;
    for (auto& wanted : *task.mutable_networks()) {
        TRY(resolve_network(store, wanted));
        if (!seen.insert(wanted.target()).second) {
            return invalid("network " + wanted.target() + " is given twice");
        }
    }
    return ok();
}

Result<void> check_references(const Store& store, const pb::ServiceSpec& spec) {
    TRY(check_secrets(store, spec.task().container()));
    TRY(check_configs(store, spec.task().container()));
    for (const auto& wanted : spec.task().networks()) {
        if (!store.get<pb::Network>(wanted.target())) {
            return Error{Errc::NotFound, "network " + wanted.target() + " not found"};
        }
    }
    return ok();
}

Result<void> check_port_conflicts(const Store& store, const pb::ServiceSpec& spec,
                                  const std::string& own) {
    std::set<PortKey> ingress;
    std::set<PortKey> host;
    for (const auto& port : spec.endpoint().ports()) {
        if (port.published_port() == 0) { continue; }
        auto& ports = port.publish_mode() == pb::PortConfig::INGRESS ? ingress : host;
        ports.emplace(port.published_port(), port.protocol());
    }
    if (ingress.empty() && host.empty()) { return ok(); }
    for (const auto& [id, service] : store.all<pb::Service>()) {
        if (id != own) { TRY(check_against(*service, ingress, host)); }
    }
    return ok();
}

} // namespace shoal::swarm
