#include "network/endpoint.h"

#include "base/text.h"
#include "network/rules.h"
#include "os/netlink.h"
#include "os/netns.h"
#include "os/nft.h"
#include "os/sysctl.h"

#include <algorithm>
#include <cerrno>

namespace shoal::network {
namespace {

/// Link names in parameter names: a dot inside becomes "/", as os/sysctl reads it.
std::string link_parameter(Family family, const std::string& link, const std::string& name) {
    return std::string("net.") + (family == Family::V4 ? "ipv4" : "ipv6") + ".conf." +
           replace_all(link, ".", "/") + "." + name;
}

/// A kernel without IPv6 has no such parameters; that is not a failure of an IPv4 network.
Result<void> tolerate_absent(Result<void> result) {
    if (!result && result.error().code == Errc::NotFound) { return ok(); }
    return result;
}

/// Derived from the name, so that it is the same after every start: an address that changes flushes
/// neighbours.
std::string bridge_mac(const std::string& name) {
    std::uint32_t hash = 2166136261u;
    for (const char c : name) { hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619u; }
    return mac_of(Ip::v4(hash));
}

os::InterfaceAddress address_on(int link, const Ip& ip, int bits) {
    return {ip.bytes(), bits, link, ip.is_v6() && ip.is_link_local()};
}

Result<void> align_addresses(os::Netlink& netlink, int link,
                             const std::vector<std::pair<Ip, int>>& wanted) {
    TRY_LET(present, netlink.addresses());
    for (const auto& address : present) {
        const auto ip = Ip::from_bytes(address.bytes);
        const bool ours =
            std::find(wanted.begin(), wanted.end(), std::pair(ip, address.bits)) != wanted.end();
        if (address.link == link && !ours && !ip.is_link_local()) {
            TRY(netlink.remove_address(address));
        }
    }
    for (const auto& [ip, bits] : wanted) { TRY(netlink.add_address(address_on(link, ip, bits))); }
    return ok();
}

Result<os::Link> make_bridge(os::Netlink& netlink, const BridgePlan& plan) {
    TRY_LET(found, netlink.find_link(plan.link));
    if (found && found->kind != "bridge") {
        return conflict("the link " + plan.link + " exists and is not a bridge");
    }
    if (found) { return *found; }
    if (!plan.make) { return Error{Errc::NotFound, "the bridge " + plan.link + " does not exist"}; }
    TRY(netlink.create_bridge({plan.link, bridge_mac(plan.link), plan.mtu}));
    return netlink.link(plan.link);
}

} // namespace

Result<void> ensure_bridge(const BridgePlan& plan) {
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(link, make_bridge(netlink, plan));
    if (plan.make && plan.mtu > 0 && link.mtu != plan.mtu) {
        TRY(netlink.set_mtu(link.index, plan.mtu));
    }
    TRY(tolerate_absent(os::ensure_sysctl(link_parameter(Family::V6, plan.link, "disable_ipv6"),
                                          plan.ipv6 ? "0" : "1")));
    if (plan.ipv6) {
        // Nobody else makes up addresses on our bridge, and without a link-local address that is sure of itself the kernel asks
        // for no neighbour: a container would be out of reach in its first two seconds.
        for (const char* name : {"accept_ra", "accept_dad"}) {
            TRY(tolerate_absent(os::ensure_sysctl(link_parameter(Family::V6, plan.link, name), "0")));
        }
    }
    if (plan.make) { TRY(align_addresses(netlink, link.index, plan.addresses)); }
    if (plan.localnet) {
        TRY(os::ensure_sysctl(link_parameter(Family::V4, plan.link, "route_localnet"), "1"));
    }
    if (link.up) { return ok(); }
    return netlink.set_up(link.index, true);
}

Result<bool> link_exists(const std::string& name) {
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(found, netlink.find_link(name));
    return found.has_value();
}

Result<std::vector<std::pair<Ip, int>>> link_addresses(const std::string& name) {
    std::vector<std::pair<Ip, int>> all;
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(found, netlink.find_link(name));
    if (!found) { return all; }
    TRY_LET(addresses, netlink.addresses());
    for (const auto& address : addresses) {
        const auto ip = Ip::from_bytes(address.bytes);
        if (address.link == found->index && !ip.is_link_local()) {
            all.emplace_back(ip, address.bits);
        }
    }
    return all;
}

Result<void> remove_link(const std::string& name) {
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(found, netlink.find_link(name));
    if (!found) { return ok(); }
    auto removed = netlink.delete_link(found->index);
    if (!removed && removed.error().code == Errc::NotFound) { return ok(); }
    return removed;
}

Result<bool> ensure_parent(const std::string& parent) {
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(found, netlink.find_link(parent));
    if (found) { return false; }
    const auto vlan = parse_vlan_parent(parent);
    if (!vlan) {
        return Error{Errc::Invalid,
                     "the requested parent interface " + parent + " was not found on the host"};
    }
    TRY_LET(below, netlink.find_link(vlan->link));
    if (!below) {
        return Error{Errc::Invalid,
                     "the requested parent interface " + vlan->link + " was not found on the host"};
    }
    TRY(netlink.create_vlan(parent, below->index, vlan->id));
    TRY_LET(made, netlink.link(parent));
    TRY(netlink.set_up(made.index, true));
    return true;
}

Result<void> ensure_dummy_parent(const std::string& name) {
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(found, netlink.find_link(name));
    if (!found) { TRY(netlink.create_dummy(name)); }
    TRY_LET(made, netlink.link(name));
    return netlink.set_up(made.index, true);
}

namespace {

Result<void> redirect_dns(std::uint16_t port) {
    TRY_LET(nft, os::Nft::open());
    return nft.apply(render_dns_redirect(port));
}

Result<void> prepare_inside(const SandboxPlan& plan, Sandbox& sandbox) {
    TRY_LET(netlink, os::Netlink::open());
    TRY(netlink.set_up(1, true)); // lo is always the first
    // Interfaces have IPv6 only where their network has it.
    TRY(tolerate_absent(os::write_sysctl("net.ipv6.conf.default.disable_ipv6", "1")));
    for (const auto& [name, value] : plan.sysctls) { TRY(os::write_sysctl(name, value)); }
    if (!plan.dns) { return ok(); }
    TRY_LET(sockets, open_dns_sockets(plan.dns_port));
    TRY(redirect_dns(sockets.port));
    sandbox.dns = std::move(sockets);
    return ok();
}

} // namespace

Result<Sandbox> create_sandbox(const SandboxPlan& plan) {
    Sandbox sandbox;
    TRY_LET(netns, os::create_netns(plan.path, [&] { return prepare_inside(plan, sandbox); }));
    sandbox.netns = std::move(netns);
    return sandbox;
}

Result<Sandbox> adopt_sandbox(const SandboxPlan& plan) {
    if (!os::is_netns(plan.path)) { return not_found("network namespace", plan.path); }
    Sandbox sandbox;
    TRY_LET(netns, os::open_netns(plan.path));
    sandbox.netns = std::move(netns);
    if (plan.dns) {
        TRY(os::run_in_netns(sandbox.netns, [&]() -> Result<void> {
            TRY_LET(sockets, open_dns_sockets(plan.dns_port));
            sandbox.dns = std::move(sockets);
            return ok();
        }));
    }
    return sandbox;
}

Result<DnsSockets> start_dns_in(const os::Fd& netns) {
    DnsSockets opened;
    TRY(os::run_in_netns(netns, [&]() -> Result<void> {
        TRY_LET(sockets, open_dns_sockets(0));
        TRY(redirect_dns(sockets.port));
        opened = std::move(sockets);
        return ok();
    }));
    return opened;
}

namespace {

Result<void> make_link(const os::Fd& netns, const InterfacePlan& plan) {
    TRY_LET(host, os::Netlink::open());
    if (plan.driver == "bridge") {
        TRY_LET(bridge, host.link(plan.bridge));
        TRY(host.create_veth(
            {plan.host_link, plan.name, netns.raw(), plan.mac, plan.mtu, bridge.index}));
        TRY(host.set_port_up(plan.host_link));
        if (!plan.isolated && !plan.hairpin) { return ok(); }
        TRY_LET(port, host.link(plan.host_link));
        return host.set_port_flags(port.index, {plan.isolated, plan.hairpin});
    }
    TRY_LET(parent, host.link(plan.parent));
    if (plan.driver == "macvlan") {
        return host.create_macvlan(
            {plan.name, parent.index, plan.mode, netns.raw(), plan.mac, plan.mtu});
    }
    auto made =
        host.create_ipvlan({plan.name, parent.index, plan.mode, plan.flag, netns.raw(), plan.mtu});
    if (!made && made.error().code == Errc::Unsupported) {
        return unsupported("this kernel has no ipvlan");
    }
    return made;
}

Result<void> set_interface_sysctl(const std::string& entry, const std::string& interface) {
    const auto [name, value] = cut(entry, '=');
    return os::write_sysctl(replace_all(name, "IFNAME", replace_all(interface, ".", "/")), value);
}

bool has_v6(const InterfacePlan& plan) {
    const auto v6 = [](const Ip& ip) { return ip.is_v6(); };
    return std::any_of(plan.addresses.begin(), plan.addresses.end(),
                       [&](const auto& entry) { return v6(entry.first); }) ||
           std::any_of(plan.link_local.begin(), plan.link_local.end(), v6);
}

/// Parameters of the interface must be written by a thread inside; an IPv4 interface without any
/// needs none.
Result<void> tune_inside(const os::Fd& netns, const InterfacePlan& plan) {
    const bool v6 = has_v6(plan);
    if (!v6 && plan.sysctls.empty()) { return ok(); }
    return os::run_in_netns(netns, [&]() -> Result<void> {
        if (v6) {
            TRY(os::write_sysctl(link_parameter(Family::V6, plan.name, "disable_ipv6"), "0"));
            TRY(os::write_sysctl(link_parameter(Family::V6, plan.name, "accept_dad"), "0"));
            TRY(os::write_sysctl(link_parameter(Family::V6, plan.name, "accept_ra"), "0"));
        }
        for (const auto& entry : plan.sysctls) { TRY(set_interface_sysctl(entry, plan.name)); }
        return ok();
    });
}

} // namespace

Result<void> add_interface(const os::Fd& netns, const InterfacePlan& plan) {
    TRY(make_link(netns, plan));
    return configure_interface(netns, plan);
}

Result<void> configure_interface(const os::Fd& netns, const InterfacePlan& plan) {
    TRY(tune_inside(netns, plan));
    TRY_LET(inside, os::Netlink::open_in(netns));
    TRY_LET(link, inside.link(plan.name));
    for (const auto& [ip, bits] : plan.addresses) {
        auto address = address_on(link.index, ip, bits);
        address.no_route = plan.no_routes;
        TRY(inside.add_address(address));
    }
    for (const auto& ip : plan.link_local) {
        TRY(inside.add_address({ip.bytes(), ip.is_v4() ? 16 : 64, link.index, true}));
    }
    return inside.set_up(link.index, true);
}

Result<void> remove_interface(const os::Fd& netns, const std::string& name) {
    TRY_LET(inside, os::Netlink::open_in(netns));
    TRY_LET(found, inside.find_link(name));
    if (!found) { return ok(); }
    return inside.delete_link(found->index);
}

namespace {

Result<void> align_default(os::Netlink& inside, const std::vector<os::Route>& present, Ip gateway,
                           const std::string& link, bool device, bool v6) {
    const bool wanted = gateway || device;
    os::Route route;
    route.v6 = v6;
    if (wanted) {
        TRY_LET(found, inside.link(link));
        route.link = found.index;
        route.gateway = gateway.bytes();
    }
    bool there = false;
    for (const auto& old : present) {
        const bool is_default = old.v6 == v6 && old.bits == 0 && !old.unreachable;
        if (!is_default) { continue; }
        const bool same = wanted && old.link == route.link && old.gateway == route.gateway;
        there |= same;
        if (!same) { TRY(inside.remove_route(old)); }
    }
    return wanted && !there ? inside.replace_route(route) : ok();
}

} // namespace

Result<void> set_default_routes(const os::Fd& netns, const DefaultRoutes& routes) {
    TRY_LET(inside, os::Netlink::open_in(netns));
    TRY_LET(present, inside.routes());
    TRY(align_default(inside, present, routes.v4, routes.link4, routes.device4, false));
    return align_default(inside, present, routes.v6, routes.link6, routes.device6, true);
}

Result<HostFacts> load_host_facts() {
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(routes, netlink.routes());
    TRY_LET(addresses, netlink.addresses());
    HostFacts facts;
    for (const auto& route : routes) {
        const auto ip = Ip::from_bytes(route.destination);
        if (route.bits > 0 && ip && !route.unreachable) { facts.routes.emplace_back(ip, route.bits); }
    }
    for (const auto& address : addresses) {
        const auto ip = Ip::from_bytes(address.bytes);
        if (!ip.is_loopback() && !ip.is_link_local()) { facts.addresses.push_back(ip); }
    }
    const auto disabled = os::read_sysctl("net.ipv6.conf.all.disable_ipv6");
    facts.ipv6 = disabled && *disabled == "0";
    return facts;
}

Result<bool> ensure_forwarding(Family family) {
    const std::string name =
        family == Family::V4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
    TRY_LET(present, os::read_sysctl(name));
    if (present == "1") { return false; }
    TRY(os::write_sysctl(name, "1"));
    return true;
}

} // namespace shoal::network
