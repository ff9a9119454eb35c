// From a container's endpoints and published ports to what a pool thread does for it in the kernel:
// the namespace, interfaces, routes, ports that are held, and the rules that lead to them.
#include "base/text.h"
#include "engine/networks_impl.h"
#include "engine/networks_overlays.h"
#include "net/pool.h"
#include "os/file.h"
#include "os/netns.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

// --- interfaces and routes ---

std::string interface_of_sysctl(const std::string& name) {
    const auto parts = split(name, '.');
    const bool per_link =
        parts.size() == 5 && parts[0] == "net" && (parts[2] == "conf" || parts[2] == "neigh");
    if (!per_link || parts[3] == "all" || parts[3] == "default" || parts[3] == "lo") { return {}; }
    return parts[3];
}

InterfacePlan Networks::Impl::interface_plan(const Attached& attached,
                                             const EndpointState& endpoint) const {
    const auto& network = *networks.at(endpoint.network);
    InterfacePlan plan;
    plan.driver = endpoint.driver;
    plan.name = endpoint.interface;
    plan.host_link = endpoint.host_link;
    plan.mac = endpoint.mac;
    if (network.is_bridge()) {
        plan.bridge = network.link;
        plan.isolated = !network.bridge.icc;
        plan.hairpin = !attached.info.published.empty();
        plan.mtu = network.bridge.mtu;
    } else {
        plan.parent = network.link;
        plan.mode = network.vlan.mode;
        plan.flag = network.vlan.flag;
        plan.mtu = network.vlan.mtu;
    }
    if (const auto ip = ip_of(endpoint.ipv4)) {
        plan.addresses.emplace_back(ip, endpoint.ipv4_bits);
    }
    if (const auto ip = ip_of(endpoint.ipv6)) {
        plan.addresses.emplace_back(ip, endpoint.ipv6_bits);
    }
    for (const auto& text : endpoint.wish.link_local) { plan.link_local.push_back(ip_of(text)); }
    plan.sysctls = interface_sysctls(attached, endpoint);
    return plan;
}

/// Of the endpoint's options and of the container.
std::vector<std::string> Networks::Impl::interface_sysctls(const Attached& attached,
                                                           const EndpointState& endpoint) const {
    std::vector<std::string> sysctls;
    if (const auto options = parse_endpoint_options(endpoint.wish.driver_options)) {
        sysctls = options->sysctls;
    }
    for (const auto& entry : attached.info.sysctls) {
        auto parts = split(cut(entry, '=').first, '.');
        if (interface_of_sysctl(cut(entry, '=').first) != endpoint.interface) { continue; }
        parts[3] = "IFNAME";
        sysctls.push_back(shoal::join(parts, ".") + "=" + cut(entry, '=').second);
    }
    return sysctls;
}

DefaultRoutes Networks::Impl::default_routes(const Attached& attached) const {
    DefaultRoutes routes;
    const auto l3 = [&](const EndpointState& endpoint) {
        const auto& network = *networks.at(endpoint.network);
        return endpoint.driver == "ipvlan" && network.vlan.mode != "l2";
    };
    if (const auto* endpoint = gateway_endpoint(attached, Family::V4)) {
        routes.link4 = endpoint->interface;
        routes.device4 = l3(*endpoint);
        if (!routes.device4) { routes.v4 = ip_of(endpoint->gateway); }
    }
    if (const auto* endpoint = gateway_endpoint(attached, Family::V6)) {
        routes.link6 = endpoint->interface;
        routes.device6 = l3(*endpoint);
        if (!routes.device6) { routes.v6 = ip_of(endpoint->gateway6); }
    }
    return routes;
}

namespace {

constexpr const char* local_stub = "127.0.0.53"; ///< systemd-resolved
constexpr const char* stub_servers = "/run/systemd/resolve/resolv.conf";

Resolver servers_behind_stub(const Resolver& host) {
    const bool stub = std::all_of(host.nameservers.begin(), host.nameservers.end(),
                                  [](const std::string& server) { return server == local_stub; });
    if (!stub || host.nameservers.empty()) { return host; }
    const auto text = os::read_file(stub_servers);
    return text ? parse_resolv_conf(*text) : host;
}

} // namespace

Networks::Impl::Setup Networks::Impl::base_setup(const Attached& attached) const {
    Setup setup;
    setup.sandbox.path = attached.info.netns_path;
    setup.routes = default_routes(attached);
    setup.resolv_conf = settings.resolv_conf;
    return setup;
}

Result<Networks::Impl::SetupDone> Networks::Impl::run_setup(Setup setup) {
    SetupDone done;
    if (const auto text = os::read_file(setup.resolv_conf)) {
        done.resolver = parse_resolv_conf(*text);
    }
    done.resolver_plain = servers_behind_stub(done.resolver);
    if (setup.with_ports && !setup.ports.wishes.empty()) {
        TRY_LET(held, hold_ports(setup.ports, setup.taken));
        done.held = std::move(held);
    }
    if (setup.make_sandbox) {
        TRY_LET(sandbox, create_sandbox(setup.sandbox));
        done.sandbox = std::move(sandbox);
    } else {
        TRY_LET(netns, os::open_netns(setup.sandbox.path));
        done.sandbox.netns = std::move(netns);
    }
    const auto build = [&]() -> Result<void> {
        for (const auto& interface : setup.interfaces) {
            TRY(add_interface(done.sandbox.netns, interface));
        }
        if (setup.interfaces.empty()) { return ok(); }
        return set_default_routes(done.sandbox.netns, setup.routes);
    };
    auto built = build();
    if (!built && setup.make_sandbox) { (void)os::remove_netns(setup.sandbox.path); }
    if (!built) { return std::move(built).error(); }
    return done;
}

// --- published ports ---

namespace {
bool publishes(const Networks::Impl::Network& network) {
    return network.is_bridge() && !network.definition.internal;
}
bool is_routed(const Networks::Impl::Network& network, Family family) {
    return (family == Family::V4 ? network.bridge.gateway_v4 : network.bridge.gateway_v6) ==
           GatewayMode::Routed;
}
} // namespace

PortTarget Networks::Impl::port_target(const Attached& attached) const {
    PortTarget target;
    const auto* v4 = gateway_endpoint(attached, Family::V4);
    const auto* v6 = gateway_endpoint(attached, Family::V6);
    if (v4 != nullptr && publishes(*networks.at(v4->network))) { target.v4 = ip_of(v4->ipv4); }
    if (v6 != nullptr && publishes(*networks.at(v6->network))) { target.v6 = ip_of(v6->ipv6); }
    return target;
}

PortRequest Networks::Impl::port_request(const Attached& attached) const {
    PortRequest request;
    request.target = port_target(attached);
    request.wishes = attached.info.published;
    request.host_ipv6 = facts.ipv6;
    request.relay_all = !settings.firewall;
    request.default_v4 = settings.ip;
    request.reserved = mesh_ports();
    const auto* v4 = gateway_endpoint(attached, Family::V4);
    const auto* v6 = gateway_endpoint(attached, Family::V6);
    if (v4 != nullptr) {
        const auto& network = *networks.at(v4->network);
        if (network.bridge.host_binding_given) { request.default_v4 = network.bridge.host_binding; }
        if (is_routed(network, Family::V4)) { request.target.v4 = {}; }
    }
    if (v6 != nullptr && is_routed(*networks.at(v6->network), Family::V6)) {
        request.target.v6 = {};
    }
    if (!request.target.v4 && !request.target.v6) { request.wishes.clear(); }
    return request;
}

std::vector<PortBinding> Networks::Impl::taken_ports() const {
    std::vector<PortBinding> all;
    for (const auto& [id, attached] : sandboxes) {
        all.insert(all.end(), attached->info.ports.begin(), attached->info.ports.end());
    }
    return all;
}

/// Translations for what is held, and open ports where routing does without.
std::vector<RulePort> Networks::Impl::rule_ports(const Attached& attached,
                                                 const std::vector<HeldPort>& held) const {
    std::vector<RulePort> rules;
    for (const auto& port : held) {
        if (!port.target) { continue; }
        const auto& key = port.binding.container;
        rules.push_back(
            {key.protocol, port.host, port.binding.host_port, port.target, key.port, false});
    }
    const auto open = [&](const EndpointState* endpoint, Family family) {
        if (endpoint == nullptr || !publishes(*networks.at(endpoint->network))) { return; }
        if (!is_routed(*networks.at(endpoint->network), family)) { return; }
        const auto ip = ip_of(family == Family::V4 ? endpoint->ipv4 : endpoint->ipv6);
        for (const auto& wish : attached.info.published) {
            rules.push_back({wish.container.protocol, {}, 0, ip, wish.container.port, true});
        }
    };
    open(gateway_endpoint(attached, Family::V4), Family::V4);
    open(gateway_endpoint(attached, Family::V6), Family::V6);
    return rules;
}

void Networks::Impl::take_ports(Attached& attached, std::vector<HeldPort> held) {
    attached.info.ports.clear();
    for (const auto& port : held) {
        if (port.shown) { attached.info.ports.push_back(port.binding); }
    }
    attached.relays = std::make_unique<Relays>(env.loop, std::move(held));
}

net::Task<Result<void>> Networks::Impl::publish_ports(AttachedPtr attached,
                                                      std::vector<HeldPort> held) {
    auto rules = rule_ports(*attached, held);
    take_ports(*attached, std::move(held));
    if (!attached->info.ports.empty()) {
        auto told = co_await overlays->containers_changed();
        if (!told) { spdlog::warn("mesh: {}", told.error().message); }
    }
    if (rules.empty()) { co_return ok(); }
    co_return co_await add_port_rules(attached, std::move(rules));
}

/// Publishes anew when the endpoint that carries the ports has changed.
net::Task<Result<void>> Networks::Impl::move_ports(AttachedPtr attached, PortTarget before) {
    const auto now = port_target(*attached);
    if (attached->info.published.empty() || (now.v4 == before.v4 && now.v6 == before.v6)) {
        co_return ok();
    }
    auto request = port_request(*attached);
    request.fixed = attached->info.ports;
    CO_TRY(co_await remove_port_rules(attached));
    attached->relays.reset();
    attached->info.ports.clear();
    auto job = [request = std::move(request), taken = taken_ports()] {
        return hold_ports(request, taken);
    };
    CO_TRY_LET(held, co_await env.pool.run(std::move(job)));
    co_return co_await publish_ports(attached, std::move(held));
}

} // namespace shoal::engine
