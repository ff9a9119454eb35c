// What a container may ask of its networks, and what it has there: an endpoint on each, with
// interface and addresses.
#include "base/text.h"
#include "engine/networks_impl.h"
#include "engine/networks_overlays.h"

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

Ip ip_of(const std::string& text) { return Ip::parse(text).value_or(Ip{}); }

std::vector<Ip> addresses_of(const EndpointState& endpoint) {
    std::vector<Ip> all;
    for (const auto& text : {endpoint.ipv4, endpoint.ipv6}) {
        if (const auto ip = ip_of(text)) { all.push_back(ip); }
    }
    return all;
}

// --- what is asked for ---

std::string resolved_mode(const std::string& mode) {
    return mode.empty() || mode == "default" ? "bridge" : mode;
}

std::vector<PortWish> all_wishes(const AttachRequest& request) {
    auto wishes = request.published;
    if (!request.publish_all) { return wishes; }
    for (const auto& key : request.exposed) {
        const bool named = std::any_of(wishes.begin(), wishes.end(),
                                       [&](const PortWish& w) { return w.container == key; });
        if (!named) { wishes.push_back({key, "", 0, 0}); }
    }
    return wishes;
}

Result<void> Networks::Impl::check_wish(const Network& network, const EndpointWish& wish) const {
    const auto& definition = network.definition;
    if (definition.config_only) {
        return Error{Errc::Forbidden, "cannot use network " + go_quote(definition.name) +
                                          ": it is a configuration network"};
    }
    if (network.is_overlay()) { TRY(overlays->check_encryption(definition, nullptr)); }
    const bool user_defined = !network.is_predefined();
    if (!user_defined && (!wish.ipv4.empty() || !wish.ipv6.empty())) {
        return invalid("user specified IP address is supported on user defined networks only");
    }
    if (!user_defined && !wish.aliases.empty()) {
        return invalid(
            "network-scoped alias is supported only for containers in user defined networks");
    }
    for (const bool v4 : {true, false}) {
        const auto& text = v4 ? wish.ipv4 : wish.ipv6;
        if (text.empty()) { continue; }
        const auto ip = Ip::parse(text);
        if (!ip || ip->is_v4() != v4) {
            return invalid(std::string("invalid endpoint settings:\ninvalid IPv") +
                           (v4 ? "4" : "6") + " address: " + text);
        }
        if (!definition.pools_by_user) {
            return invalid(
                "invalid endpoint settings:\nuser specified IP address is supported only when connecting to "
                "networks with user configured subnets");
        }
        if (!network.addresses.contains(*ip)) {
            return invalid(
                "invalid endpoint settings:\nno configured subnet or ip-range contain the IP address " +
                text);
        }
    }
    for (const auto& text : wish.link_local) {
        const auto ip = Ip::parse(text);
        if (!ip || !ip->is_link_local()) {
            return invalid("invalid endpoint settings:\ninvalid link-local IP address: " + text);
        }
    }
    if (!wish.mac.empty() && !parse_mac(wish.mac)) {
        return invalid("invalid MAC address " + go_quote(wish.mac));
    }
    TRY_LET(options, parse_endpoint_options(wish.driver_options));
    (void)options;
    return ok();
}

Result<std::vector<Networks::Impl::Wanted>>
Networks::Impl::wanted_networks(const AttachRequest& request) const {
    std::vector<Wanted> wanted;
    const auto mode = resolved_mode(request.mode);
    if (mode == "none" || mode == "host" || mode.starts_with(container_mode)) {
        for (const auto& [ref, wish] : request.endpoints) {
            if (ref != mode && mode == "host") {
                return invalid(
                    "conflicting options: cannot attach both user-defined and non-user-defined network-modes");
            }
            if (ref == mode && (!wish.ipv4.empty() || !wish.ipv6.empty())) {
                return invalid(
                    "user specified IP address is supported on user defined networks only");
            }
        }
        if (mode != "none") { return wanted; }
    }
    std::map<NetworkId, std::size_t> seen;
    const auto add = [&](const NetworkPtr& network, const EndpointWish& wish) -> Result<void> {
        if (network->definition.driver == "null") { return ok(); }
        if (network->definition.driver == "host") {
            return invalid(
                "conflicting options: cannot attach both user-defined and non-user-defined network-modes");
        }
        if (const auto known = seen.find(network->definition.id); known != seen.end()) {
            wanted[known->second].wish = wish;
            return ok();
        }
        seen[network->definition.id] = wanted.size();
        wanted.push_back({network, wish});
        return ok();
    };
    TRY_LET(main, find(mode));
    TRY(add(main, {}));
    for (const auto& [ref, wish] : request.endpoints) {
        TRY_LET(network, find(ref == "default" ? "bridge" : ref));
        TRY(add(network, wish));
    }
    return wanted;
}

Result<void> Networks::Impl::validate(const AttachRequest& request) const {
    const auto mode = resolved_mode(request.mode);
    if (mode.starts_with(container_mode) && !all_wishes(request).empty()) {
        return invalid("conflicting options: port publishing and the container type network mode");
    }
    for (const auto& wish : request.published) {
        if (!wish.host_ip.empty() && !Ip::parse(wish.host_ip)) {
            return invalid("invalid IP address " + go_quote(wish.host_ip) + " of a published port");
        }
    }
    for (const auto& server : request.dns) {
        if (!Ip::parse(server)) {
            return invalid("invalid IP address: " + go_quote(server) + " for a DNS server");
        }
    }
    TRY_LET(extra, parse_extra_hosts(request.extra_hosts, {"127.0.0.1"}));
    (void)extra;
    TRY_LET(wanted, wanted_networks(request));
    for (const auto& each : wanted) { TRY(check_wish(*each.network, each.wish)); }
    return ok();
}

// --- who is attached ---

std::string Networks::Impl::netns_path(const ContainerId& container) const {
    return settings.exec_root + "/netns/" + container.text();
}

Networks::Impl::AttachedPtr Networks::Impl::attached(const ContainerId& container) const {
    const auto found = sandboxes.find(container);
    return found == sandboxes.end() ? nullptr : found->second;
}

Networks::Impl::AttachedPtr Networks::Impl::attached_by_name(const std::string& ref) const {
    AttachedPtr by_prefix;
    for (const auto& [id, attached] : sandboxes) {
        if (attached->info.name == ref || "/" + attached->info.name == ref) { return attached; }
        if (ref.size() >= 12 && id.text().starts_with(ref)) { by_prefix = attached; }
    }
    return by_prefix;
}

// --- endpoints ---

std::string Networks::Impl::free_interface(const Attached& attached,
                                           const std::string& prefix) const {
    for (int number = 0;; ++number) {
        const auto name = prefix + std::to_string(number);
        const auto& all = attached.info.endpoints;
        const bool taken = std::any_of(all.begin(), all.end(),
                                       [&](const EndpointState& e) { return e.interface == name; });
        if (!taken) { return name; }
    }
}

Result<void> Networks::Impl::check_interface(const Attached& attached,
                                             const EndpointState& endpoint) {
    for (const auto& other : attached.info.endpoints) {
        if (other.interface == endpoint.interface) {
            return conflict("interface name " + endpoint.interface + " is used twice");
        }
    }
    return ok();
}

namespace {

Result<Ip> take_address(Addresses& addresses, Family family, const std::string& wished) {
    if (wished.empty()) { return addresses.allocate(family); }
    const auto ip = ip_of(wished);
    TRY(addresses.reserve(ip));
    return ip;
}

bool offers_gateway(const Networks::Impl::Network& network, Family family) {
    if (network.definition.internal) { return false; }
    const auto mode = family == Family::V4 ? network.bridge.gateway_v4 : network.bridge.gateway_v6;
    return !network.is_bridge() || mode != GatewayMode::Isolated;
}

} // namespace

std::string random_mac(Random& random) {
    std::string text = "02:42";
    for (int i = 0; i < 4; ++i) { text += ":" + random.hex(1); }
    return text;
}

/// Takes addresses and names for one endpoint; on failure nothing is taken.
Result<void> Networks::Impl::allocate(Attached& attached, const Wanted& wanted) {
    auto& network = *wanted.network;
    const auto& definition = network.definition;
    if (network.removing) {
        return Error{Errc::NotFound, "network " + definition.name + " not found"};
    }
    TRY(check_wish(network, wanted.wish));
    if (network.is_overlay()) { return allocate_overlay(attached, wanted); }
    TRY_LET(options, parse_endpoint_options(wanted.wish.driver_options));
    EndpointState endpoint;
    endpoint.network = definition.id;
    endpoint.network_name = definition.name;
    endpoint.driver = definition.driver;
    endpoint.endpoint = env.random.hex(32);
    endpoint.wish = wanted.wish;
    const auto& prefix =
        network.is_bridge() ? network.bridge.interface_prefix : network.vlan.interface_prefix;
    endpoint.interface =
        options.interface.empty() ? free_interface(attached, prefix) : options.interface;
    TRY(check_interface(attached, endpoint));
    const auto context = [&](Error error) {
        if (error.code != Errc::Exhausted) { return error; }
        error.message += ": " + definition.name + " (" + definition.id.text() + ")";
        return error;
    };
    Ip v4, v6;
    if (network.addresses.has(Family::V4)) {
        auto taken = take_address(network.addresses, Family::V4, wanted.wish.ipv4);
        if (!taken) { return context(std::move(taken).error()); }
        v4 = *taken;
        endpoint.ipv4 = v4.text();
        endpoint.ipv4_bits = network.addresses.bits_of(v4);
        if (offers_gateway(network, Family::V4)) {
            endpoint.gateway = network.addresses.gateway_of(v4).text();
        }
    }
    if (network.addresses.has(Family::V6)) {
        auto taken = take_address(network.addresses, Family::V6, wanted.wish.ipv6);
        if (!taken) {
            if (v4) { network.addresses.release(v4); }
            return context(std::move(taken).error());
        }
        v6 = *taken;
        endpoint.ipv6 = v6.text();
        endpoint.ipv6_bits = network.addresses.bits_of(v6);
        if (offers_gateway(network, Family::V6)) {
            endpoint.gateway6 = network.addresses.gateway_of(v6).text();
        }
    }
    if (definition.driver != "ipvlan") {
        endpoint.mac = !wanted.wish.mac.empty() ? *parse_mac(wanted.wish.mac)
                       : v4                     ? mac_of(v4)
                                                : random_mac(env.random);
    }
    if (network.is_bridge()) { endpoint.host_link = "veth" + endpoint.endpoint.substr(0, 9); }
    endpoint.dns_names =
        network.is_default_bridge() ? std::vector<std::string>{} : dns_names(attached, endpoint);
    network.users.insert(attached.id);
    attached.info.endpoints.push_back(std::move(endpoint));
    return ok();
}

void Networks::Impl::release(Attached& attached, const EndpointState& endpoint) {
    dns.names().remove(endpoint.network, endpoint.endpoint);
    const auto found = networks.find(endpoint.network);
    if (found == networks.end()) { return; }
    for (const auto& ip : addresses_of(endpoint)) { found->second->addresses.release(ip); }
    found->second->used_at = env.loop.now();
    if (const auto user = found->second->users.find(attached.id);
        user != found->second->users.end()) {
        found->second->users.erase(user);
    }
}

/// Docker's order: priority, then a gateway for both families, then the name.
const EndpointState* Networks::Impl::gateway_endpoint(const Attached& attached,
                                                      Family family) const {
    const EndpointState* best = nullptr;
    const auto rank = [](const EndpointState& e) {
        return std::tuple(-e.wish.gw_priority, e.gateway.empty() || e.gateway6.empty(),
                          e.network_name);
    };
    for (const auto& endpoint : attached.info.endpoints) {
        if ((family == Family::V4 ? endpoint.gateway : endpoint.gateway6).empty()) { continue; }
        if (best == nullptr || rank(endpoint) < rank(*best)) { best = &endpoint; }
    }
    return best;
}

} // namespace shoal::engine
