#include "network/names.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::network {

void NameTable::add_network(const NetworkId& network, const std::string& name) {
    zones_[network].name = to_lower(name);
}
void NameTable::remove_network(const NetworkId& network) { zones_.erase(network); }

void NameTable::add(const NetworkId& network, const NamedEndpoint& endpoint) {
    remove(network, endpoint.endpoint);
    auto& zone = zones_[network];
    for (const auto& name : endpoint.names) {
        auto& ids = zone.by_name[to_lower(name)];
        if (std::find(ids.begin(), ids.end(), endpoint.endpoint) == ids.end()) {
            ids.push_back(endpoint.endpoint);
        }
    }
    for (const auto& address : endpoint.addresses) {
        if (endpoint.primary.empty()) { break; }
        zone.by_reverse[address.reverse_name()] = endpoint.endpoint;
    }
    zone.endpoints[endpoint.endpoint] = endpoint;
}

void NameTable::remove(const NetworkId& network, const std::string& endpoint) {
    const auto zone = zones_.find(network);
    if (zone == zones_.end()) { return; }
    const auto found = zone->second.endpoints.find(endpoint);
    if (found == zone->second.endpoints.end()) { return; }
    for (const auto& name : found->second.names) {
        const auto ids = zone->second.by_name.find(to_lower(name));
        if (ids == zone->second.by_name.end()) { continue; }
        std::erase(ids->second, endpoint);
        if (ids->second.empty()) { zone->second.by_name.erase(ids); }
    }
    for (const auto& address : found->second.addresses) {
        const auto reverse = zone->second.by_reverse.find(address.reverse_name());
        if (reverse != zone->second.by_reverse.end() && reverse->second == endpoint) {
            zone->second.by_reverse.erase(reverse);
        }
    }
    zone->second.endpoints.erase(found);
}

const NameTable::Zone* NameTable::zone(const NetworkId& network) const {
    const auto found = zones_.find(network);
    return found == zones_.end() ? nullptr : &found->second;
}

std::optional<std::vector<Ip>> NameTable::addresses_of(const Zone& zone, const std::string& name) {
    const auto ids = zone.by_name.find(name);
    if (ids == zone.by_name.end()) { return std::nullopt; }
    std::vector<Ip> all;
    for (const auto& id : ids->second) {
        const auto endpoint = zone.endpoints.find(id);
        if (endpoint == zone.endpoints.end()) { continue; }
        all.insert(all.end(), endpoint->second.addresses.begin(), endpoint->second.addresses.end());
    }
    // A container of a cluster has its name twice: by itself and by the managers.
    std::set<Ip> seen;
    if (ids->second.size() > 1) {
        std::erase_if(all, [&](const Ip& ip) { return !seen.insert(ip).second; });
    }
    return all;
}

namespace {
std::string plain_name(std::string_view name) {
    if (name.ends_with('.')) { name.remove_suffix(1); }
    return to_lower(name);
}
} // namespace

NameAnswer NameTable::find(const DnsView& view, std::string_view name) const {
    const auto plain = plain_name(name);
    const auto answer = [](std::vector<Ip> addresses) {
        return NameAnswer{NameAnswer::Kind::Addresses, std::move(addresses), {}};
    };
    for (const auto& link : view.links) {
        const auto* zone = this->zone(link.network);
        if (zone == nullptr || to_lower(link.alias) != plain) { continue; }
        if (auto found = addresses_of(*zone, to_lower(link.target))) {
            return answer(std::move(*found));
        }
    }
    for (const auto& network : view.networks) {
        const auto* zone = this->zone(network);
        if (zone == nullptr) { continue; }
        if (auto found = addresses_of(*zone, plain)) {
            return answer(std::move(*found));
        }
        const auto tail = "." + zone->name;
        if (plain.size() <= tail.size() || !plain.ends_with(tail)) { continue; }
        const auto head = plain.substr(0, plain.size() - tail.size());
        if (auto found = addresses_of(*zone, head)) {
            return answer(std::move(*found));
        }
    }
    return {};
}

NameAnswer NameTable::find_reverse(const DnsView& view, std::string_view name) const {
    const auto plain = plain_name(name);
    for (const auto& network : view.networks) {
        const auto* zone = this->zone(network);
        if (zone == nullptr) { continue; }
        const auto id = zone->by_reverse.find(plain);
        if (id == zone->by_reverse.end()) { continue; }
        const auto endpoint = zone->endpoints.find(id->second);
        if (endpoint == zone->endpoints.end()) { continue; }
        return {NameAnswer::Kind::Name, {}, endpoint->second.primary + "." + zone->name};
    }
    return {};
}

} // namespace shoal::network
