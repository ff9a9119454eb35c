#include "swarm/allocator/ports.h"

#include "base/text.h"

namespace shoal::swarm {
namespace {

constexpr std::uint32_t port_max = 65535;

bool is_same(const pb::PortConfig& a, const pb::PortConfig& b) {
    return a.name() == b.name() && a.protocol() == b.protocol() &&
           a.target_port() == b.target_port() && a.publish_mode() == b.publish_mode();
}

/// The number that the service has for a port without one in its specification.
std::uint32_t kept_number(const pb::Service& service, const pb::PortConfig& wanted,
                          const std::set<PublishedPort>& taken) {
    for (const auto& port : service.endpoint().ports()) {
        if (is_same(port, wanted) && port.published_port() != 0 &&
            !taken.contains({port.protocol(), port.published_port()})) {
            return port.published_port();
        }
    }
    return 0;
}

} // namespace

std::string port_text(const PublishedPort& port) {
    return std::to_string(port.second) + "/" + to_lower(pb::PortConfig::Protocol_Name(port.first));
}

bool PortSpace::set(const std::string& service_id, std::set<PublishedPort> ports) {
    bool freed = false;
    for (const auto& port : of_service_[service_id]) {
        if (ports.contains(port)) { continue; }
        freed = true;
        auto& owners = owners_[port];
        owners.erase(service_id);
        if (owners.empty()) { owners_.erase(port); }
    }
    for (const auto& port : ports) {
        owners_[port].insert(service_id);
        if (port.second >= dynamic_port_first && port.second <= dynamic_port_last) {
            auto& last = last_[port.first];
            last = std::max(last, port.second);
        }
    }
    if (ports.empty()) {
        of_service_.erase(service_id);
    } else {
        of_service_[service_id] = std::move(ports);
    }
    return freed;
}

std::string PortSpace::other_owner(const PublishedPort& port, const std::string& service_id) const {
    const auto found = owners_.find(port);
    if (found == owners_.end()) { return ""; }
    for (const auto& owner : found->second) {
        if (owner != service_id) { return owner; }
    }
    return "";
}

std::uint32_t PortSpace::next_dynamic(pb::PortConfig::Protocol protocol,
                                      const std::set<PublishedPort>& taken) const {
    constexpr auto count = dynamic_port_last - dynamic_port_first + 1;
    const auto last = last_.find(protocol);
    const auto start = last == last_.end() ? 0 : last->second - dynamic_port_first + 1;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto number = dynamic_port_first + (start + i) % count;
        const PublishedPort port{protocol, number};
        if (!owners_.contains(port) && !taken.contains(port)) { return number; }
    }
    return 0;
}

std::set<PublishedPort> cluster_ports(const pb::Endpoint& endpoint) {
    std::set<PublishedPort> ports;
    for (const auto& port : endpoint.ports()) {
        if (port.publish_mode() == pb::PortConfig::INGRESS && port.published_port() != 0) {
            ports.emplace(port.protocol(), port.published_port());
        }
    }
    return ports;
}

Result<std::vector<pb::PortConfig>> plan_ports(const pb::Service& service, const PortSpace& space) {
    const auto& wanted = service.spec().endpoint().ports();
    std::vector<pb::PortConfig> ports(wanted.begin(), wanted.end());
    std::set<PublishedPort> taken;
    const auto is_ours = [](const pb::PortConfig& port) {
        return port.publish_mode() == pb::PortConfig::INGRESS;
    };
    for (const auto& port : ports) {
        if (!is_ours(port) || port.published_port() == 0) { continue; }
        const PublishedPort number{port.protocol(), port.published_port()};
        if (port.published_port() > port_max) {
            return invalid("port " + port_text(number) + " does not exist");
        }
        const auto owner = space.other_owner(number, service.id());
        if (!owner.empty()) {
            return conflict("port " + port_text(number) + " is already in use by service " + owner);
        }
        if (!taken.insert(number).second) {
            return conflict("port " + port_text(number) + " is published twice");
        }
    }
    for (auto& port : ports) {
        if (!is_ours(port) || port.published_port() != 0) { continue; }
        auto number = kept_number(service, port, taken);
        if (!space.other_owner({port.protocol(), number}, service.id()).empty()) { number = 0; }
        if (number == 0) { number = space.next_dynamic(port.protocol(), taken); }
        if (number == 0) {
            return Error{Errc::Exhausted, "no port of 30000-32767 is left for " +
                                              port_text({port.protocol(), port.target_port()})};
        }
        port.set_published_port(number);
        taken.emplace(port.protocol(), number);
    }
    return ports;
}

} // namespace shoal::swarm
