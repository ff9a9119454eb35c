// Networks that span nodes, as this node's own: their definitions, which come with the first task
// and go some time after the last container, and the endpoints of containers on them. Addresses are
// the managers'.
#include "base/text.h"
#include "engine/networks_impl.h"
#include "engine/networks_overlays.h"
#include "engine/store.h"

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

net::Task<Result<void>> Networks::Impl::ensure_overlay(Definition wish, std::vector<Ip> granted) {
    auto turn = co_await definition_turn.acquire();
    const auto known = networks.find(wish.id);
    auto network = known == networks.end() ? nullptr : known->second;
    if (!network) {
        wish.driver = "overlay";
        wish.scope = "swarm";
        wish.pools_by_user = true;
        wish.link_made = false;
        CO_TRY_LET(made, make_network(std::move(wish)));
        CO_TRY(save(*made));
        network = made;
        networks[made->definition.id] = made;
        dns.names().add_network(made->definition.id, made->definition.name);
        publish(*made, "create");
    }
    network->granted.insert(granted.begin(), granted.end());
    network->used_at = env.loop.now();
    co_return ok();
}

net::Task<void> Networks::Impl::drop_unused_overlays() {
    auto turn = co_await definition_turn.acquire();
    std::vector<NetworkPtr> unused;
    for (const auto& [id, network] : networks) {
        const bool idle = env.loop.now() - network->used_at >= settings.overlay_linger;
        if (network->is_overlay() && network->users.empty() && idle) { unused.push_back(network); }
    }
    for (const auto& network : unused) {
        const auto id = network->definition.id;
        (void)env.store.remove("network", id.text()); // it would be dropped after the next start
        networks.erase(id);
        if (!overlays->knows(id)) { dns.names().remove_network(id); }
        publish(*network, "destroy");
    }
}

/// Fails when the address is somebody else's, as far as this node can tell.
Result<void> Networks::Impl::check_granted(const Network& network, const std::string& text) const {
    const auto ip = Ip::parse(text);
    const auto& definition = network.definition;
    if (ip && (network.granted.contains(*ip) || overlays->knows_here(definition.id, *ip))) {
        return ok();
    }
    return Error{Errc::Forbidden,
                 "network " + definition.name + ": " +
                     (text.empty() ? "no address was" : "address " + text + " was not") +
                     " given to this container by the swarm's managers"};
}

Result<void> Networks::Impl::allocate_overlay(Attached& attached, const Wanted& wanted) {
    auto& network = *wanted.network;
    const auto& definition = network.definition;
    const auto& wish = wanted.wish;
    TRY(overlays->check_encryption(definition, nullptr));
    TRY_LET(options, parse_endpoint_options(wish.driver_options));
    EndpointState endpoint;
    endpoint.network = definition.id;
    endpoint.network_name = definition.name;
    endpoint.driver = definition.driver;
    endpoint.endpoint = env.random.hex(32);
    endpoint.wish = wish;
    for (const auto& text : {wish.ipv4, wish.ipv6}) {
        if (text.empty() && !(wish.ipv4 + wish.ipv6).empty()) { continue; }
        TRY(check_granted(network, text));
    }
    if (const auto ip = Ip::parse(wish.ipv4)) {
        endpoint.ipv4 = ip->text();
        endpoint.ipv4_bits = network.addresses.bits_of(*ip);
        endpoint.mac = mac_of(*ip);
    }
    if (const auto ip = Ip::parse(wish.ipv6)) {
        endpoint.ipv6 = ip->text();
        endpoint.ipv6_bits = network.addresses.bits_of(*ip);
    }
    if (!wish.mac.empty()) { endpoint.mac = *parse_mac(wish.mac); }
    if (endpoint.mac.empty()) { endpoint.mac = random_mac(env.random); }
    if (!definition.ingress) {
        endpoint.host_link = "veth" + endpoint.endpoint.substr(0, 9);
        endpoint.interface =
            options.interface.empty() ? free_interface(attached, "eth") : options.interface;
        TRY(check_interface(attached, endpoint));
        endpoint.dns_names = dns_names(attached, endpoint);
    }
    network.users.insert(attached.id);
    attached.info.endpoints.push_back(std::move(endpoint));
    return ok();
}

bool Networks::Impl::is_overlay_interface(const EndpointState& endpoint) {
    return endpoint.driver == "overlay" && !endpoint.interface.empty();
}
bool Networks::Impl::is_in_mesh(const EndpointState& endpoint) {
    return endpoint.driver == "overlay" && endpoint.interface.empty();
}

/// The interfaces of the container on networks that span nodes, and its place in the mesh.
net::Task<Result<void>> Networks::Impl::attach_overlays(AttachedPtr attached) {
    const auto endpoints = attached->info.endpoints;
    bool meshed = false;
    for (const auto& endpoint : endpoints) {
        meshed |= is_in_mesh(endpoint);
        if (!is_overlay_interface(endpoint)) { continue; }
        CO_TRY(co_await overlays->attach(attached, endpoint));
    }
    if (!meshed) { co_return ok(); }
    co_return co_await overlays->containers_changed();
}

/// The other order: nobody sends to it, then it goes. Its published ports are the mesh's again.
net::Task<Result<void>> Networks::Impl::detach_overlays(AttachedPtr attached) {
    ErrorList errors;
    const auto endpoints = attached->info.endpoints;
    bool concerns_mesh = !attached->info.ports.empty();
    attached->info.ports.clear();
    for (const auto& endpoint : endpoints) {
        concerns_mesh |= is_in_mesh(endpoint);
        if (!is_overlay_interface(endpoint)) { continue; }
        auto detached = co_await overlays->detach(endpoint);
        errors.add(std::move(detached));
    }
    if (concerns_mesh) {
        auto told = co_await overlays->containers_changed();
        errors.add(std::move(told));
    }
    co_return errors.empty() ? ok() : Result<void>(errors.joined());
}

/// What the mesh answers here, and for which service.
std::map<std::pair<Protocol, std::uint16_t>, std::string> Networks::Impl::mesh_ports() const {
    std::map<std::pair<Protocol, std::uint16_t>, std::string> all;
    for (const auto& [port, service] : overlays->mesh_ports()) {
        all[{port.protocol, port.published}] = service;
    }
    return all;
}

} // namespace shoal::engine
