#include "os/netlink.h"

#include "os/netlink_request.h"
#include "os/netns.h"

#include <array>
#include <cerrno>
#include <utility>

#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

namespace shoal::os {
namespace {

Link parse_link(nlmsghdr* header) {
    const auto* info = static_cast<const ifinfomsg*>(nlmsg_data(header));
    const auto fields = attributes_of<ifinfomsg, IFLA_MAX>(header);
    Link link;
    link.index = info->ifi_index;
    link.up = (info->ifi_flags & IFF_UP) != 0;
    if (fields[IFLA_IFNAME] != nullptr) { link.name = nla_get_string(fields[IFLA_IFNAME]); }
    if (fields[IFLA_MTU] != nullptr) { link.mtu = static_cast<int>(nla_get_u32(fields[IFLA_MTU])); }
    if (fields[IFLA_MASTER] != nullptr) {
        link.master = static_cast<int>(nla_get_u32(fields[IFLA_MASTER]));
    }
    if (fields[IFLA_ADDRESS] != nullptr) { link.mac = mac_text(fields[IFLA_ADDRESS]); }
    if (fields[IFLA_LINKINFO] != nullptr) {
        const auto details = nested_in<IFLA_INFO_MAX>(fields[IFLA_LINKINFO]);
        if (details[IFLA_INFO_KIND] != nullptr) {
            link.kind = nla_get_string(details[IFLA_INFO_KIND]);
        }
    }
    return link;
}

std::optional<VxlanLink> parse_vxlan(nlmsghdr* header) {
    const auto link = parse_link(header);
    if (link.kind != "vxlan") { return {}; }
    const auto fields = attributes_of<ifinfomsg, IFLA_MAX>(header);
    const auto details = nested_in<IFLA_INFO_MAX>(fields[IFLA_LINKINFO]);
    if (details[IFLA_INFO_DATA] == nullptr) { return {}; }
    const auto data = nested_in<IFLA_VXLAN_MAX>(details[IFLA_INFO_DATA]);
    VxlanLink vxlan;
    vxlan.name = link.name;
    vxlan.mac = link.mac;
    vxlan.mtu = link.mtu;
    if (data[IFLA_VXLAN_ID] != nullptr) { vxlan.vni = nla_get_u32(data[IFLA_VXLAN_ID]); }
    if (data[IFLA_VXLAN_PORT] != nullptr) {
        vxlan.port = ntohs(nla_get_u16(data[IFLA_VXLAN_PORT]));
    }
    for (const int local : {IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6}) {
        if (data[local] != nullptr) { vxlan.local = bytes_of(data[local]); }
    }
    return vxlan;
}

ifinfomsg by_index(int index) {
    ifinfomsg info{};
    info.ifi_index = index;
    return info;
}

void put_common(Request& request, const std::string& name, const std::string& mac, int mtu) {
    request.text(IFLA_IFNAME, name);
    if (!mac.empty()) { request.bytes(IFLA_ADDRESS, mac_bytes(mac)); }
    if (mtu > 0) { request.u32(IFLA_MTU, static_cast<std::uint32_t>(mtu)); }
}

std::uint32_t macvlan_mode(const std::string& mode) {
    if (mode == "private") { return MACVLAN_MODE_PRIVATE; }
    if (mode == "vepa") { return MACVLAN_MODE_VEPA; }
    if (mode == "passthru") { return MACVLAN_MODE_PASSTHRU; }
    return MACVLAN_MODE_BRIDGE;
}

} // namespace

Result<Netlink> Netlink::open() {
    TRY_LET(socket, connect_netlink(NETLINK_ROUTE));
    return Netlink(socket);
}

Result<Netlink> Netlink::open_in(const Fd& netns) {
    std::optional<Netlink> made;
    TRY(run_in_netns(netns, [&]() -> Result<void> {
        TRY_LET(netlink, open());
        made.emplace(std::move(netlink));
        return ok();
    }));
    return std::move(*made);
}

Netlink::Netlink(Netlink&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
Netlink& Netlink::operator=(Netlink&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
}
Netlink::~Netlink() {
    if (socket_ != nullptr) { nl_socket_free(socket_); }
}

Result<void> Netlink::talk(nl_msg* message, const std::string& what) {
    Answer answer;
    const int failed = exchange(socket_, message, answer);
    if (failed == EOPNOTSUPP) {
        return Error{Errc::Unsupported, what + ": this kernel does not support it", failed};
    }
    if (failed == ENODEV || failed == ESRCH) {
        return Error{Errc::NotFound, what + ": no such device", failed};
    }
    if (failed != 0) { return os_error(what, failed); }
    return ok();
}

Result<std::optional<Link>> Netlink::find_link(const std::string& name) {
    if (name.empty() || name.size() >= IFNAMSIZ) { return std::optional<Link>{}; }
    Request request(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, ifinfomsg{});
    request.text(IFLA_IFNAME, name);
    std::optional<Link> found;
    Answer answer;
    answer.each = [&](nlmsghdr* header) { found = parse_link(header); };
    const int failed = exchange(socket_, request.message(), answer);
    if (failed == ENODEV) { return std::optional<Link>{}; }
    if (failed != 0) { return os_error("look up link " + name, failed); }
    return found;
}

Result<Link> Netlink::link(const std::string& name) {
    TRY_LET(found, find_link(name));
    if (!found) { return Error{Errc::NotFound, "no such device: " + name}; }
    return *found;
}

Result<std::vector<Link>> Netlink::links() {
    Request request(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, ifinfomsg{});
    std::vector<Link> all;
    Answer answer;
    answer.each = [&](nlmsghdr* header) { all.push_back(parse_link(header)); };
    if (const int failed = exchange(socket_, request.message(), answer); failed != 0) {
        return os_error("list links", failed);
    }
    return all;
}

Result<void> Netlink::create_bridge(const BridgeLink& bridge) {
    Request request(RTM_NEWLINK, create_flags, ifinfomsg{});
    put_common(request, bridge.name, bridge.mac, bridge.mtu);
    request.nest(IFLA_LINKINFO, [](Request& info) {
        info.text(IFLA_INFO_KIND, "bridge").nest(IFLA_INFO_DATA, [](Request& data) {
            data.u8(IFLA_BR_MCAST_SNOOPING, 0)
                .u32(IFLA_BR_STP_STATE, 0)
                .u32(IFLA_BR_FORWARD_DELAY, 0);
        });
    });
    return talk(request.message(), "create bridge " + bridge.name);
}

Result<void> Netlink::create_veth(const VethLink& veth) {
    Request request(RTM_NEWLINK, create_flags, ifinfomsg{});
    put_common(request, veth.name, "", veth.mtu);
    if (veth.master > 0) { request.u32(IFLA_MASTER, static_cast<std::uint32_t>(veth.master)); }
    request.nest(IFLA_LINKINFO, [&](Request& info) {
        info.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, [&](Request& data) {
            data.nest(VETH_INFO_PEER, [&](Request& peer) {
                const ifinfomsg header{};
                peer.raw(&header, sizeof header);
                put_common(peer, veth.peer_name, veth.peer_mac, veth.mtu);
                if (veth.peer_netns >= 0) {
                    peer.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(veth.peer_netns));
                }
            });
        });
    });
    return talk(request.message(), "create veth " + veth.name);
}

Result<void> Netlink::create_macvlan(const MacvlanLink& link) {
    Request request(RTM_NEWLINK, create_flags, ifinfomsg{});
    put_common(request, link.name, link.mac, link.mtu);
    request.u32(IFLA_LINK, static_cast<std::uint32_t>(link.parent));
    if (link.netns >= 0) { request.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(link.netns)); }
    request.nest(IFLA_LINKINFO, [&](Request& info) {
        info.text(IFLA_INFO_KIND, "macvlan").nest(IFLA_INFO_DATA, [&](Request& data) {
            data.u32(IFLA_MACVLAN_MODE, macvlan_mode(link.mode));
        });
    });
    return talk(request.message(), "create macvlan " + link.name);
}

Result<void> Netlink::create_ipvlan(const IpvlanLink& link) {
    Request request(RTM_NEWLINK, create_flags, ifinfomsg{});
    put_common(request, link.name, "", link.mtu);
    request.u32(IFLA_LINK, static_cast<std::uint32_t>(link.parent));
    if (link.netns >= 0) { request.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(link.netns)); }
    request.nest(IFLA_LINKINFO, [&](Request& info) {
        info.text(IFLA_INFO_KIND, "ipvlan").nest(IFLA_INFO_DATA, [&](Request& data) {
            const int mode = link.mode == "l3"    ? IPVLAN_MODE_L3
                             : link.mode == "l3s" ? IPVLAN_MODE_L3S
                                                  : IPVLAN_MODE_L2;
            const int flag = link.flag == "private" ? IPVLAN_F_PRIVATE
                             : link.flag == "vepa"  ? IPVLAN_F_VEPA
                                                    : 0;
            data.u16(IFLA_IPVLAN_MODE, static_cast<std::uint16_t>(mode));
            data.u16(IFLA_IPVLAN_FLAGS, static_cast<std::uint16_t>(flag));
        });
    });
    return talk(request.message(), "create ipvlan " + link.name);
}

Result<void> Netlink::create_vxlan(const VxlanLink& link) {
    Request request(RTM_NEWLINK, create_flags, ifinfomsg{});
    put_common(request, link.name, link.mac, link.mtu);
    if (link.netns >= 0) { request.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(link.netns)); }
    request.nest(IFLA_LINKINFO, [&](Request& info) {
        info.text(IFLA_INFO_KIND, "vxlan").nest(IFLA_INFO_DATA, [&](Request& data) {
            const bool v6 = link.local.size() == 16;
            data.u32(IFLA_VXLAN_ID, link.vni).be16(IFLA_VXLAN_PORT, link.port);
            data.bytes(v6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, link.local);
            data.u8(IFLA_VXLAN_LEARNING, 0);
            // What is inside has checksums of its own, and IPv4 does not ask for a second one.
            if (!v6) { data.u8(IFLA_VXLAN_UDP_CSUM, 0); }
        });
    });
    return talk(request.message(), "create vxlan " + link.name);
}

Result<std::optional<VxlanLink>> Netlink::find_vxlan(const std::string& name) {
    Request request(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, ifinfomsg{});
    request.text(IFLA_IFNAME, name);
    std::optional<VxlanLink> found;
    Answer answer;
    answer.each = [&](nlmsghdr* header) { found = parse_vxlan(header); };
    const int failed = exchange(socket_, request.message(), answer);
    if (failed != 0 && failed != ENODEV) { return os_error("look up link " + name, failed); }
    return found;
}

Result<void> Netlink::create_vlan(const std::string& name, int parent, int id) {
    Request request(RTM_NEWLINK, create_flags, ifinfomsg{});
    request.text(IFLA_IFNAME, name).u32(IFLA_LINK, static_cast<std::uint32_t>(parent));
    request.nest(IFLA_LINKINFO, [&](Request& info) {
        info.text(IFLA_INFO_KIND, "vlan").nest(IFLA_INFO_DATA, [&](Request& data) {
            data.u16(IFLA_VLAN_ID, static_cast<std::uint16_t>(id));
        });
    });
    return talk(request.message(), "create vlan " + name);
}

Result<void> Netlink::create_dummy(const std::string& name) {
    Request request(RTM_NEWLINK, create_flags, ifinfomsg{});
    request.text(IFLA_IFNAME, name);
    request.nest(IFLA_LINKINFO, [](Request& info) { info.text(IFLA_INFO_KIND, "dummy"); });
    return talk(request.message(), "create dummy link " + name);
}

Result<void> Netlink::delete_link(int index) {
    Request request(RTM_DELLINK, change_flags, by_index(index));
    return talk(request.message(), "delete link " + std::to_string(index));
}

Result<void> Netlink::set_up(int index, bool up) {
    auto header = by_index(index);
    header.ifi_flags = up ? IFF_UP : 0;
    header.ifi_change = IFF_UP;
    Request request(RTM_NEWLINK, change_flags, header);
    return talk(request.message(), "set link " + std::to_string(index) + (up ? " up" : " down"));
}

Result<void> Netlink::set_port_up(const std::string& name) {
    ifinfomsg header{};
    header.ifi_flags = IFF_UP;
    header.ifi_change = IFF_UP;
    Request request(RTM_NEWLINK, change_flags, header);
    request.text(IFLA_IFNAME, name);
    request.nest(IFLA_AF_SPEC, [](Request& families) {
        families.nest(AF_INET6,
                      [](Request& v6) { v6.u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE); });
    });
    auto done = talk(request.message(), "set link " + name + " up");
    if (done || done.error().code != Errc::Unsupported) { return done; }
    Request plain(RTM_NEWLINK, change_flags, header); // a kernel booted without IPv6
    plain.text(IFLA_IFNAME, name);
    return talk(plain.message(), "set link " + name + " up");
}

Result<void> Netlink::set_port_flags(int index, PortFlags flags) {
    auto header = by_index(index);
    header.ifi_family = AF_BRIDGE;
    Request request(RTM_SETLINK, change_flags, header);
    request.nest(IFLA_PROTINFO | NLA_F_NESTED, [&](Request& port) {
        port.u8(IFLA_BRPORT_ISOLATED, flags.isolated ? 1 : 0);
        port.u8(IFLA_BRPORT_MODE, flags.hairpin ? 1 : 0);
    });
    return talk(request.message(), "set flags of bridge port " + std::to_string(index));
}

Result<void> Netlink::set_mtu(int index, int mtu) {
    Request request(RTM_NEWLINK, change_flags, by_index(index));
    request.u32(IFLA_MTU, static_cast<std::uint32_t>(mtu));
    return talk(request.message(), "set the MTU of link " + std::to_string(index));
}

Result<void> Netlink::set_name(int index, const std::string& name) {
    Request request(RTM_NEWLINK, change_flags, by_index(index));
    request.text(IFLA_IFNAME, name);
    return talk(request.message(), "name link " + std::to_string(index) + " " + name);
}

} // namespace shoal::os
