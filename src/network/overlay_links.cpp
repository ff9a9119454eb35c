#include "network/overlay_links.h"

#include "base/text.h"
#include "network/overlay_rules.h"
#include "os/netns.h"
#include "os/sysctl.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::network {
namespace {

constexpr int lo = 1; // in every namespace
const std::string vxlan_name(overlay_link);

Ip hop6(NodeIndex node) { return Ip::from_number(Family::V6, (Ip::Number{0xfe80} << 112) + node); }
Ip hop(NodeIndex node, Family family) {
    return family == Family::V4 ? overlay_hop(node) : hop6(node);
}
NodeIndex node_of_hop(const Ip& hop) { return static_cast<NodeIndex>(hop.number() & 0xffff); }
NodeIndex node_of_mac(const std::string& mac) {
    const auto digits = replace_all(mac, ":", "");
    return digits.size() == 12
               ? static_cast<NodeIndex>(std::strtoul(digits.c_str() + 8, nullptr, 16))
               : NodeIndex{0};
}

/// Forwarding comes first: turning it on sets others back to their defaults.
Result<void> tune() {
    static const std::vector<std::pair<const char*, const char*>> v4 = {
        {"net.ipv4.ip_forward", "1"},
        {"net.ipv4.conf.all.rp_filter", "0"}, // the rules know better who may send what
        {"net.ipv4.conf.default.rp_filter", "0"},
        {"net.ipv4.conf.all.send_redirects", "0"},
        {"net.ipv4.conf.default.send_redirects", "0"},
        {"net.ipv4.conf.all.accept_redirects", "0"},
        {"net.ipv4.conf.default.accept_redirects", "0"},
        {"net.ipv4.icmp_ratelimit", "0"}, // every refusal is said, and only to our own
    };
    static const std::vector<std::pair<const char*, const char*>> v6 = {
        {"net.ipv6.conf.all.disable_ipv6", "0"},  {"net.ipv6.conf.default.disable_ipv6", "0"},
        {"net.ipv6.conf.all.forwarding", "1"},    {"net.ipv6.conf.default.forwarding", "1"},
        {"net.ipv6.conf.default.accept_ra", "0"}, {"net.ipv6.conf.default.accept_dad", "0"},
        {"net.ipv6.icmp.ratelimit", "0"},
    };
    for (const auto& [name, value] : v4) { TRY(os::ensure_sysctl(name, value)); }
    // The limit of all refusals together; before Linux 6.12 it is the machine's, not ours to
    // change.
    for (const auto* name : {"net.ipv4.icmp_msgs_per_sec", "net.ipv4.icmp_msgs_burst"}) {
        const auto done = os::ensure_sysctl(name, "100000");
        if (!done && done.error().code != Errc::NotFound) { return done; }
    }
    for (const auto& [name, value] : v6) {
        auto done = os::ensure_sysctl(name, value);
        if (!done && done.error().code == Errc::NotFound) { return ok(); } // a kernel without IPv6
        TRY(done);
    }
    return ok();
}

Result<void> absent_is_success(Result<void> done) {
    if (!done && done.error().code == Errc::NotFound) { return ok(); }
    return done;
}

os::Route route_to(const Ip& address) {
    os::Route route;
    route.destination = address.bytes();
    route.bits = address.width();
    route.v6 = address.is_v6();
    return route;
}

os::Route unreachable(const Subnet& subnet) {
    auto route = route_to(subnet.base());
    route.bits = subnet.bits();
    route.unreachable = true;
    return route;
}

/// The route that leads to an address: to another node, or to a link here.
struct Way {
    NodeIndex node = 0;
    std::string link;
    bool operator==(const Way&) const = default;
};

} // namespace

std::string overlay_mac(NodeIndex node) {
    return fmt::format("02:fe:00:00:{:02x}:{:02x}", node >> 8, node & 0xff);
}
Ip overlay_hop(NodeIndex node) { return Ip::v4(0xa9fe0000u + node); }

/// What the kernel has, in the words in which it is compared.
struct OverlayLinks::Seen {
    std::map<Ip, std::string> neighbours; ///< of the VXLAN link: next hop, hardware address
    std::map<std::string, Ip> forwarding; ///< hardware address, node
    std::map<Ip, Way> ways;
    std::map<Subnet, bool> refused; ///< true: an unreachable route
    std::map<int, std::string> links;
};

Result<OverlayLinks> OverlayLinks::open(const OverlayPlan& plan, const os::Fd& netns) {
    TRY(os::run_in_netns(netns, tune));
    TRY_LET(inside, os::Netlink::open_in(netns));
    OverlayLinks links(plan, std::move(inside));
    TRY(links.inside_.set_up(lo, true));
    TRY(links.ensure_vxlan(netns));
    TRY(links.ensure_gateways());
    TRY(links.ensure_subnets());
    return links;
}

Result<void> OverlayLinks::ensure_vxlan(const os::Fd& netns) {
    const os::VxlanLink wanted{
        vxlan_name, plan_.vni, plan_.port, plan_.local.bytes(), overlay_mac(plan_.self), plan_.mtu};
    TRY_LET(found, inside_.find_vxlan(vxlan_name));
    if (!found) {
        TRY_LET(node, os::Netlink::open());
        auto made = wanted;
        made.netns = netns.raw();
        TRY(node.create_vxlan(made));
    } else if (found->vni != wanted.vni || found->port != wanted.port ||
               found->local != wanted.local || found->mac != wanted.mac ||
               found->mtu != wanted.mtu) {
        return conflict("the overlay at " + plan_.path + " was made for another plan");
    }
    TRY_LET(link, inside_.link(vxlan_name));
    vxlan_ = link.index;
    return link.up ? ok() : inside_.set_port_up(vxlan_name);
}

Result<void> OverlayLinks::ensure_gateways() {
    TRY_LET(present, inside_.addresses());
    for (const auto& address : present) {
        const auto ip = Ip::from_bytes(address.bytes);
        const bool ours =
            std::find(plan_.gateways.begin(), plan_.gateways.end(), ip) != plan_.gateways.end();
        if (address.link == lo && !ip.is_loopback() && !ours) {
            return conflict("the overlay at " + plan_.path + " has another gateway, " + ip.text());
        }
    }
    for (const auto& gateway : plan_.gateways) {
        TRY(inside_.add_address({gateway.bytes(), gateway.width(), lo}));
    }
    return ok();
}

Result<void> OverlayLinks::ensure_subnets() {
    for (const auto& subnet : plan_.subnets) { TRY(inside_.replace_route(unreachable(subnet))); }
    return ok();
}

/// One of each family that the network has: the kernel may not have the other.
std::vector<Ip> OverlayLinks::hops(NodeIndex node) const {
    std::set<Family> families;
    for (const auto& subnet : plan_.subnets) { families.insert(subnet.family()); }
    std::vector<Ip> all;
    for (const auto family : families) { all.push_back(hop(node, family)); }
    return all;
}

Result<void> OverlayLinks::set_node(NodeIndex node, const Ip& address) {
    const auto mac = overlay_mac(node);
    TRY(inside_.replace_forwarding({mac, address.bytes(), vxlan_}));
    for (const auto& hop : hops(node)) {
        TRY(inside_.replace_neighbour({hop.bytes(), mac, vxlan_}));
    }
    return ok();
}

Result<void> OverlayLinks::drop_node(NodeIndex node) {
    for (const auto& hop : hops(node)) {
        TRY(absent_is_success(inside_.remove_neighbour({hop.bytes(), "", vxlan_})));
    }
    return absent_is_success(inside_.remove_forwarding({overlay_mac(node), "", vxlan_}));
}

Result<void> OverlayLinks::set_remote(const Ip& address, NodeIndex node) {
    auto route = route_to(address);
    route.gateway = hop(node, address.family()).bytes();
    route.link = vxlan_;
    route.onlink = true;
    return inside_.replace_route(route).with("lead to " + address.text());
}

Result<void> OverlayLinks::set_local(const Ip& address, const std::string& near_link) {
    TRY_LET(link, inside_.find_link(near_link));
    if (!link) { return drop_address(address); }
    auto route = route_to(address);
    route.link = link->index;
    return inside_.replace_route(route).with("lead to " + address.text());
}

Result<void> OverlayLinks::drop_address(const Ip& address) {
    return absent_is_success(inside_.remove_route(route_to(address)));
}

namespace {

/// Sets what differs or is missing, drops what is too much.
template <class Map, class Set, class Drop>
Result<std::size_t> align(const Map& present, const Map& wanted, Set set, Drop drop) {
    std::size_t changes = 0;
    for (const auto& [key, value] : wanted) {
        const auto found = present.find(key);
        if (found != present.end() && found->second == value) { continue; }
        TRY(set(key, value));
        ++changes;
    }
    for (const auto& [key, value] : present) {
        if (wanted.contains(key)) { continue; }
        TRY(drop(key));
        ++changes;
    }
    return changes;
}

} // namespace

Result<OverlayLinks::Seen> OverlayLinks::see() {
    Seen seen;
    TRY_LET(links, inside_.links());
    for (const auto& link : links) { seen.links[link.index] = link.name; }
    TRY_LET(neighbours, inside_.neighbours(vxlan_));
    for (const auto& entry : neighbours) {
        seen.neighbours[Ip::from_bytes(entry.address)] = entry.mac;
    }
    TRY_LET(forwarding, inside_.forwarding(vxlan_));
    for (const auto& entry : forwarding) {
        seen.forwarding[entry.mac] = Ip::from_bytes(entry.node);
    }
    TRY_LET(routes, inside_.routes());
    for (const auto& route : routes) {
        const auto ip = Ip::from_bytes(route.destination);
        if (route.unreachable) {
            seen.refused[Subnet(ip, route.bits)] = true;
        } else if (route.bits == ip.width() && ip && !ip.is_link_local()) {
            const auto gateway = Ip::from_bytes(route.gateway);
            // The gateways' own addresses are on lo.
            if (route.link == lo) { continue; }
            seen.ways[ip] = route.link == vxlan_ ? Way{node_of_hop(gateway), ""}
                                                 : Way{0, seen.links[route.link]};
        }
    }
    return seen;
}

OverlayLinks::Seen OverlayLinks::expected(const OverlayState& state, const Seen& seen) const {
    Seen wanted;
    for (const auto& [node, address] : state.nodes) {
        wanted.forwarding[overlay_mac(node)] = address;
        for (const auto& hop : hops(node)) { wanted.neighbours[hop] = overlay_mac(node); }
    }
    std::set<std::string> links;
    for (const auto& [index, name] : seen.links) { links.insert(name); }
    for (const auto& [address, link] : state.local) {
        if (links.contains(link)) { wanted.ways[address] = {0, link}; }
    }
    for (const auto& [address, node] : state.remote) { wanted.ways[address] = {node, ""}; }
    for (const auto& subnet : plan_.subnets) { wanted.refused[subnet] = true; }
    return wanted;
}

Result<OverlayState> OverlayLinks::look() {
    TRY_LET(seen, see());
    OverlayState state;
    for (const auto& [mac, address] : seen.forwarding) { state.nodes[node_of_mac(mac)] = address; }
    for (const auto& [address, way] : seen.ways) {
        if (way.link.empty()) {
            state.remote[address] = way.node;
        } else {
            state.local[address] = way.link;
        }
    }
    return state;
}

Result<std::size_t> OverlayLinks::repair(const OverlayState& state) {
    TRY_LET(seen, see());
    const auto wanted = expected(state, seen);
    TRY_LET(neighbours, align(
                            seen.neighbours, wanted.neighbours,
                            [&](const Ip& hop, const std::string& mac) {
                                return inside_.replace_neighbour({hop.bytes(), mac, vxlan_});
                            },
                            [&](const Ip& hop) {
                                return inside_.remove_neighbour({hop.bytes(), "", vxlan_});
                            }));
    TRY_LET(forwarding, align(
                            seen.forwarding, wanted.forwarding,
                            [&](const std::string& mac, const Ip& node) {
                                return inside_.replace_forwarding({mac, node.bytes(), vxlan_});
                            },
                            [&](const std::string& mac) {
                                return inside_.remove_forwarding({mac, "", vxlan_});
                            }));
    TRY_LET(ways, align(
                      seen.ways, wanted.ways,
                      [&](const Ip& address, const Way& way) {
                          return way.link.empty() ? set_remote(address, way.node)
                                                  : set_local(address, way.link);
                      },
                      [&](const Ip& address) { return drop_address(address); }));
    TRY_LET(refused, align(
                         seen.refused, wanted.refused,
                         [&](const Subnet& subnet, bool) {
                             return inside_.replace_route(unreachable(subnet));
                         },
                         [&](const Subnet& subnet) {
                             return absent_is_success(inside_.remove_route(unreachable(subnet)));
                         }));
    return neighbours + forwarding + ways + refused;
}

} // namespace shoal::network
