#include "base/text.h"
#include "base/undo.h"
#include "engine/events.h"
#include "engine/networks_impl.h"
#include "engine/networks_overlays.h"
#include "net/pool.h"
#include "os/file.h"
#include "os/netns.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

namespace {

constexpr std::string_view container_mode = "container:";
constexpr const char* local_stub = "127.0.0.53"; ///< systemd-resolved
constexpr const char* stub_servers = "/run/systemd/resolve/resolv.conf";

std::string resolved_mode(const std::string& mode) {
    return mode.empty() || mode == "default" ? "bridge" : mode;
}

/// Sysctls of one interface ("net.ipv4.conf.eth0.x") wait until it exists; "" for the others.
std::string interface_of_sysctl(const std::string& name) {
    const auto parts = split(name, '.');
    const bool per_link =
        parts.size() == 5 && parts[0] == "net" && (parts[2] == "conf" || parts[2] == "neigh");
    if (!per_link || parts[3] == "all" || parts[3] == "default" || parts[3] == "lo") { return {}; }
    return parts[3];
}

/// Docker's defaults of every namespace of its own: ping and low ports without privilege.
void add_default_sysctls(std::vector<std::pair<std::string, std::string>>& out) {
    out.emplace_back("net.ipv4.ip_unprivileged_port_start", "0");
    out.emplace_back("net.ipv4.ping_group_range", "0 2147483647");
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

Resolver servers_behind_stub(const Resolver& host) {
    const bool stub = std::all_of(host.nameservers.begin(), host.nameservers.end(),
                                  [](const std::string& server) { return server == local_stub; });
    if (!stub || host.nameservers.empty()) { return host; }
    const auto text = os::read_file(stub_servers);
    return text ? parse_resolv_conf(*text) : host;
}

Ip ip_of(const std::string& text) { return Ip::parse(text).value_or(Ip{}); }

std::vector<Ip> addresses_of(const EndpointState& endpoint) {
    std::vector<Ip> all;
    for (const auto& text : {endpoint.ipv4, endpoint.ipv6}) {
        if (const auto ip = ip_of(text)) { all.push_back(ip); }
    }
    return all;
}

} // namespace

// --- checks ---

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

// --- addresses and names ---

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

std::vector<std::string> Networks::Impl::dns_names(const Attached& attached,
                                                   const EndpointState& endpoint) const {
    std::vector<std::string> names;
    const auto add = [&](const std::string& name) {
        if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
            names.push_back(name);
        }
    };
    add(attached.info.name);
    for (const auto& alias : endpoint.wish.aliases) { add(alias); }
    add(attached.id.short_text());
    add(attached.info.hostname);
    if (!attached.info.domainname.empty()) {
        add(attached.info.hostname + "." + attached.info.domainname);
    }
    return names;
}

void Networks::Impl::name_endpoint(const Attached& attached, const EndpointState& endpoint) {
    if (endpoint.dns_names.empty()) { return; }
    dns.names().add(endpoint.network, {endpoint.endpoint, endpoint.dns_names, attached.info.name,
                                       addresses_of(endpoint)});
}

void Networks::Impl::refresh_names(Attached& attached) {
    for (auto& endpoint : attached.info.endpoints) {
        if (endpoint.dns_names.empty()) { continue; }
        endpoint.dns_names = dns_names(attached, endpoint);
        name_endpoint(attached, endpoint);
    }
}

bool Networks::Impl::needs_dns(const Attached& attached) const {
    const auto& all = attached.info.endpoints;
    return std::any_of(all.begin(), all.end(),
                       [](const EndpointState& e) { return !e.dns_names.empty(); });
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

DnsView Networks::Impl::dns_view(const Attached& attached) const {
    DnsView view;
    for (const auto& endpoint : attached.info.endpoints) {
        if (endpoint.dns_names.empty()) { continue; }
        view.networks.push_back(endpoint.network);
        auto links = endpoint.wish.links;
        if (endpoint.network_name == attached.info.mode) {
            links.insert(links.end(), attached.info.links.begin(), attached.info.links.end());
        }
        for (const auto& link : links) {
            const auto [target, alias] = cut(link, ':');
            const auto other = attached_by_name(target);
            const auto name = other ? other->info.name : target;
            view.links.push_back({endpoint.network, alias.empty() ? name : alias, name});
        }
    }
    for (const auto& server : attached.info.upstream_dns) {
        if (const auto ip = ip_of(server)) { view.upstream.push_back(ip); }
    }
    view.confined = gateway_endpoint(attached, Family::V4) == nullptr &&
                    gateway_endpoint(attached, Family::V6) == nullptr;
    const auto& all = attached.info.endpoints;
    if (view.confined && std::any_of(all.begin(), all.end(), is_overlay_interface)) {
        view.upstream.clear(); // the node next door would answer
    }
    return view;
}

// --- plans ---

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

// --- files ---

std::vector<std::string> Networks::Impl::host_gateway() const {
    if (!settings.host_gateway.empty()) { return settings.host_gateway; }
    std::vector<std::string> out;
    const auto found = find("bridge");
    if (!found) { return out; }
    for (const auto& pool : (*found)->definition.pools) {
        if (!pool.gateway.empty()) { out.push_back(pool.gateway); }
    }
    return out;
}

/// Legacy links on the default bridge, which has no DNS.
std::vector<HostsEntry> Networks::Impl::link_entries(const Attached& attached) const {
    std::vector<HostsEntry> out;
    if (attached.info.mode != "bridge") { return out; }
    for (const auto& link : attached.info.links) {
        const auto [target, alias] = cut(link, ':');
        const auto other = attached_by_name(target);
        if (!other) { continue; }
        for (const auto& endpoint : other->info.endpoints) {
            if (endpoint.network_name != "bridge" || endpoint.ipv4.empty()) { continue; }
            std::vector<std::string> names{alias.empty() ? other->info.name : alias};
            for (const auto& name : {other->info.hostname, other->info.name}) {
                if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
                    names.push_back(name);
                }
            }
            out.push_back({endpoint.ipv4, names});
        }
    }
    return out;
}

void Networks::Impl::render_files(Attached& attached, const SetupDone& host) const {
    auto& info = attached.info;
    const auto pick = [](const std::vector<std::string>& own,
                         const std::vector<std::string>& daemon) {
        return own.empty() ? daemon : own;
    };
    const ResolverWish wish{pick(info.dns, settings.dns),
                            pick(info.dns_search, settings.dns_search),
                            pick(info.dns_options, settings.dns_options)};
    const auto extra = parse_extra_hosts(info.extra_hosts, host_gateway()).value_or({});
    info.hostname_file = info.hostname + "\n";
    if (info.mode == "host") {
        info.resolv_conf = render_resolv_conf(host_resolver(host.resolver, wish));
        info.hosts = render_hosts_of_host(host.hosts_file, extra);
        return;
    }
    HostsInput input;
    input.hostname = info.hostname;
    input.domainname = info.domainname;
    input.extra = extra;
    input.links = link_entries(attached);
    bool v6 = false;
    // What a container is called on its networks; the bridge that only leads out is none of them,
    // and an address in the mesh is not the container's own.
    const auto named = [&](const EndpointState& e) { return !e.automatic && !is_in_mesh(e); };
    const auto& all = info.endpoints;
    const bool any_named = std::any_of(all.begin(), all.end(), named);
    for (const auto& endpoint : info.endpoints) {
        if (is_in_mesh(endpoint) || (any_named && !named(endpoint))) { continue; }
        if (!endpoint.ipv4.empty()) { input.addresses.push_back(endpoint.ipv4); }
        if (!endpoint.ipv6.empty()) { input.addresses.push_back(endpoint.ipv6); }
        v6 |= !endpoint.ipv6.empty();
    }
    info.hosts = render_hosts(input);
    if (needs_dns(attached)) {
        info.upstream_dns = upstream_servers(host.resolver, wish);
        info.resolv_conf = render_resolv_conf(embedded_resolver(host.resolver, wish));
    } else {
        info.resolv_conf = render_resolv_conf(plain_resolver(host.resolver_plain, wish, v6));
    }
}

Result<void> Networks::Impl::start_dns(Attached& attached, DnsSockets sockets) {
    TRY_LET(netns, attached.netns.duplicate());
    attached.info.dns_port = sockets.port;
    return dns.add(attached.id.text(), std::move(sockets), std::move(netns), dns_view(attached));
}

// --- attach and detach ---

Result<SandboxInfo> Networks::Impl::attach_shared(const AttachRequest& request) const {
    const auto id = request.mode.substr(container_mode.size());
    for (const auto& [other_id, other] : sandboxes) {
        if (other_id.text() != id && other->info.name != id) { continue; }
        SandboxInfo info;
        info.mode = request.mode;
        info.name = request.name;
        info.netns_path = other->info.netns_path;
        info.hostname = other->info.hostname;
        info.domainname = other->info.domainname;
        info.hosts = other->info.hosts;
        info.resolv_conf = other->info.resolv_conf;
        info.hostname_file = other->info.hostname_file;
        return info;
    }
    return conflict("cannot join network of a non running container: " + id);
}

net::Task<Result<SandboxInfo>> Networks::Impl::attach(AttachRequest request) {
    CO_TRY(validate(request));
    const auto mode = resolved_mode(request.mode);
    if (attached(request.container)) {
        co_return conflict("container " + request.container.text() + " is attached already");
    }
    auto attached = std::make_shared<Attached>(env.loop);
    attached->id = request.container;
    auto& info = attached->info;
    if (mode.starts_with(container_mode)) {
        request.mode = mode;
        CO_TRY_LET(shared, attach_shared(request));
        info = shared;
        sandboxes[attached->id] = attached;
        co_return info;
    }
    CO_TRY_LET(main, find(mode));
    info.mode = main->definition.name;
    info.name = request.name;
    info.hostname = request.hostname.empty() ? request.container.short_text() : request.hostname;
    info.domainname = request.domainname;
    info.dns = request.dns;
    info.dns_search = request.dns_search;
    info.dns_options = request.dns_options;
    info.extra_hosts = request.extra_hosts;
    info.links = request.links;
    info.published = all_wishes(request);
    for (const auto& [name, value] : request.sysctls) {
        if (name.starts_with("net.")) { info.sysctls.push_back(name + "=" + value); }
    }
    sandboxes[attached->id] = attached;
    auto made = co_await attach_isolated(attached, std::move(request));
    if (!made) { (void)co_await detach(attached->id); }
    co_return made;
}

net::Task<Result<SandboxInfo>> Networks::Impl::attach_isolated(AttachedPtr attached,
                                                               AttachRequest request) {
    auto turn = co_await attached->turn.acquire();
    auto& info = attached->info;
    if (info.mode == "host") {
        auto job = [path = settings.resolv_conf] {
            SetupDone done;
            if (const auto text = os::read_file(path)) { done.resolver = parse_resolv_conf(*text); }
            done.hosts_file = os::read_file("/etc/hosts").value_or("127.0.0.1\tlocalhost\n");
            return done;
        };
        const auto host = co_await env.pool.run(std::move(job));
        render_files(*attached, host);
        co_return info;
    }
    CO_TRY_LET(wanted, wanted_networks(request));
    for (const auto& each : wanted) { CO_TRY(allocate(*attached, each)); }
    if (needs_gateway(*attached)) {
        CO_TRY_LET(gateway, co_await ensure_gateway_bridge());
        CO_TRY(allocate_gateway(*attached, gateway));
    }
    info.netns_path = netns_path(attached->id);
    auto setup = base_setup(*attached);
    setup.make_sandbox = true;
    setup.sandbox.dns = needs_dns(*attached);
    add_default_sysctls(setup.sandbox.sysctls);
    for (const auto& [name, value] : request.sysctls) {
        const bool here = name.starts_with("net.") && interface_of_sysctl(name).empty();
        if (here) { setup.sandbox.sysctls.emplace_back(name, value); }
    }
    for (const auto& endpoint : info.endpoints) {
        if (endpoint.driver == "overlay") { continue; }
        setup.interfaces.push_back(interface_plan(*attached, endpoint));
    }
    setup.with_ports = true;
    setup.ports = port_request(*attached);
    if (!setup.ports.wishes.empty()) { setup.taken = taken_ports(); }
    auto job = [setup = std::move(setup)]() mutable { return run_setup(std::move(setup)); };
    auto ran = co_await env.pool.run(std::move(job));
    if (!ran) { // the part that people meet most is a port somebody else has
        const auto& cause = ran.error().message;
        const bool port =
            cause.starts_with("Bind for ") || cause.starts_with("failed to bind host port");
        if (!port || info.endpoints.empty()) {
            co_return std::move(ran).error().with("failed to set up container networking");
        }
        co_return std::move(ran).error().with(
            "failed to set up container networking: driver failed programming external "
            "connectivity on endpoint " +
            info.name + " (" + info.endpoints.front().endpoint + ")");
    }
    attached->netns = std::move(ran->sandbox.netns);
    CO_TRY(co_await publish_ports(attached, std::move(ran->held)));
    CO_TRY(co_await attach_overlays(attached));
    render_files(*attached, *ran);
    for (const auto& endpoint : info.endpoints) { name_endpoint(*attached, endpoint); }
    if (ran->sandbox.dns.udp) { CO_TRY(start_dns(*attached, std::move(ran->sandbox.dns))); }
    for (const auto& endpoint : info.endpoints) {
        const auto network = networks.find(endpoint.network);
        if (endpoint.automatic || network == networks.end()) { continue; }
        publish(*network->second, "connect", attached->id.text());
    }
    co_return info;
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

net::Task<Result<void>> Networks::Impl::detach(ContainerId container) {
    auto attached = this->attached(container);
    if (!attached) { co_return ok(); }
    auto turn = co_await attached->turn.acquire();
    if (attached->gone) { co_return ok(); }
    attached->gone = true;
    ErrorList errors;
    dns.remove(container.text());
    auto cleared = co_await remove_port_rules(attached);
    errors.add(std::move(cleared));
    attached->relays.reset();
    auto unreached = co_await detach_overlays(attached);
    errors.add(std::move(unreached));
    for (const auto& endpoint : attached->info.endpoints) {
        release(*attached, endpoint);
        const auto network = networks.find(endpoint.network);
        if (network != networks.end() && !endpoint.automatic) {
            publish(*network->second, "disconnect", container.text());
        }
    }
    const bool own =
        !attached->info.netns_path.empty() && attached->info.netns_path == netns_path(container);
    if (own) {
        // The veths go with the namespace: deleting them one by one is a hundred times slower.
        auto job = [path = attached->info.netns_path, fd = std::move(attached->netns)]() mutable {
            fd.reset();
            return os::remove_netns(path);
        };
        auto removed = co_await env.pool.run(std::move(job));
        errors.add(std::move(removed));
    }
    sandboxes.erase(container);
    if (!errors.empty()) { co_return errors.joined(); }
    co_return ok();
}

// --- connect and disconnect of a running container ---

namespace {
Result<void> check_own_sandbox(const SandboxInfo& info) {
    if (info.mode == "host") {
        return Error{
            Errc::Forbidden,
            "container cannot be disconnected from host network or connected to host network"};
    }
    if (info.mode.starts_with(container_mode)) {
        return Error{Errc::Forbidden,
                     "container sharing network namespace with another container or host cannot be "
                     "connected to any other network"};
    }
    return ok();
}
} // namespace

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

net::Task<Result<SandboxInfo>> Networks::Impl::join(ContainerId container, NetworkPtr network,
                                                    EndpointWish wish) {
    auto attached = this->attached(container);
    if (!attached) { co_return conflict("container " + container.text() + " is not running"); }
    auto turn = co_await attached->turn.acquire();
    if (attached->gone) { co_return conflict("container " + container.text() + " is not running"); }
    auto& info = attached->info;
    CO_TRY(check_own_sandbox(info));
    const auto same = [&](const EndpointState& e) { return e.network == network->definition.id; };
    if (std::any_of(info.endpoints.begin(), info.endpoints.end(), same)) {
        co_return Error{Errc::Forbidden, "endpoint with name " + info.name +
                                             " already exists in network " +
                                             network->definition.name};
    }
    if (network->definition.driver == "null") {
        co_return Error{
            Errc::Forbidden,
            "container cannot be connected to multiple networks with one of the networks in private (none) mode"};
    }
    if (network->definition.ingress) {
        co_return Error{Errc::Forbidden,
                        "network " + network->definition.name + " is for published ports only"};
    }
    const auto before = port_target(*attached);
    CO_TRY(allocate(*attached, Wanted{network, wish}));
    auto endpoint = info.endpoints.back();
    const bool dns_missing = needs_dns(*attached) && info.dns_port == 0;
    auto done = co_await join_kernel(attached, endpoint, dns_missing);
    auto moved = done ? Result<void>() : Result<void>(done.error());
    if (moved) { moved = co_await align_gateway(attached); }
    if (moved) { moved = co_await move_ports(attached, before); }
    if (!moved) {
        co_await undo_join(attached, endpoint);
        co_return std::move(moved).error();
    }
    if (info.mode == "none") { info.mode = network->definition.name; }
    render_files(*attached, *done);
    name_endpoint(*attached, endpoint);
    if (dns_missing) { CO_TRY(start_dns(*attached, std::move(done->sandbox.dns))); }
    dns.set_view(container.text(), dns_view(*attached));
    publish(*network, "connect", container.text());
    co_return info;
}

net::Task<Result<Networks::Impl::SetupDone>>
Networks::Impl::join_kernel(AttachedPtr attached, EndpointState endpoint, bool dns_missing) {
    auto setup = base_setup(*attached);
    if (endpoint.driver != "overlay") {
        setup.interfaces.push_back(interface_plan(*attached, endpoint));
    }
    auto job = [setup = std::move(setup), dns_missing]() mutable -> Result<SetupDone> {
        TRY_LET(done, run_setup(std::move(setup)));
        if (dns_missing) {
            TRY_LET(sockets, start_dns_in(done.sandbox.netns));
            done.sandbox.dns = std::move(sockets);
        }
        return std::move(done);
    };
    CO_TRY_LET(done, co_await env.pool.run(std::move(job)));
    if (is_overlay_interface(endpoint)) { CO_TRY(co_await overlays->attach(attached, endpoint)); }
    co_return std::move(done);
}

net::Task<void> Networks::Impl::undo_join(AttachedPtr attached, EndpointState failed) {
    auto& info = attached->info;
    std::erase_if(info.endpoints,
                  [&](const EndpointState& e) { return e.endpoint == failed.endpoint; });
    if (is_overlay_interface(failed)) { (void)co_await overlays->detach(failed); }
    release(*attached, failed);
    auto undo = [path = info.netns_path, name = failed.interface,
                 routes = default_routes(*attached)]() -> Result<void> {
        TRY_LET(netns, os::open_netns(path));
        TRY(remove_interface(netns, name));
        return set_default_routes(netns, routes);
    };
    (void)co_await env.pool.run(std::move(undo));
    (void)co_await align_gateway(attached);
}

net::Task<Result<SandboxInfo>> Networks::Impl::leave(ContainerId container, NetworkPtr network) {
    auto attached = this->attached(container);
    if (!attached) { co_return conflict("container " + container.text() + " is not running"); }
    auto turn = co_await attached->turn.acquire();
    auto& info = attached->info;
    CO_TRY(check_own_sandbox(info));
    const auto found =
        std::find_if(info.endpoints.begin(), info.endpoints.end(),
                     [&](const EndpointState& e) { return e.network == network->definition.id; });
    if (attached->gone || found == info.endpoints.end()) {
        co_return Error{Errc::Forbidden, "container " + container.text() +
                                             " is not connected to network " +
                                             network->definition.name};
    }
    if (found->automatic) {
        co_return Error{Errc::Forbidden,
                        "container " + container.text() + " reaches the world by network " +
                            network->definition.name + ", and leaves it with its other networks"};
    }
    const auto before = port_target(*attached);
    const auto endpoint = *found;
    info.endpoints.erase(found);
    if (is_overlay_interface(endpoint)) { CO_TRY(co_await overlays->detach(endpoint)); }
    release(*attached, endpoint);
    auto job = [setup = base_setup(*attached),
                name = endpoint.interface]() mutable -> Result<SetupDone> {
        TRY_LET(netns, os::open_netns(setup.sandbox.path));
        TRY(remove_interface(netns, name));
        TRY(set_default_routes(netns, setup.routes));
        return run_setup(std::move(setup)); // no interfaces: only the host's resolver is read
    };
    CO_TRY_LET(done, co_await env.pool.run(std::move(job)));
    CO_TRY(co_await align_gateway(attached));
    CO_TRY(co_await move_ports(attached, before));
    if (info.endpoints.empty()) { info.mode = "none"; }
    render_files(*attached, done);
    dns.set_view(container.text(), dns_view(*attached));
    publish(*network, "disconnect", container.text());
    co_return info;
}

} // namespace shoal::engine
