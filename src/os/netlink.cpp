#include "os/netlink.h"

#include "base/text.h"
#include "os/netns.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>

#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

namespace shoal::os {
namespace {

int errno_of(int nl_error) {
    switch (nl_error < 0 ? -nl_error : nl_error) {
    case NLE_EXIST:
        return EEXIST;
    case NLE_NOADDR:
        return EADDRNOTAVAIL;
    case NLE_OBJ_NOTFOUND:
        return ENOENT;
    case NLE_NODEV:
        return ENODEV;
    case NLE_OPNOTSUPP:
        return EOPNOTSUPP;
    case NLE_PERM:
        return EPERM;
    case NLE_BUSY:
        return EBUSY;
    case NLE_INVAL:
        return EINVAL;
    case NLE_NOMEM:
        return ENOMEM;
    default:
        return EIO;
    }
}

/// One request being built. The kernel's own error numbers are read from the answer, not libnl's
/// translation.
class Request {
  public:
    template <class Header> Request(int type, int flags, const Header& header)
        : message_(nlmsg_alloc_simple(type, flags)) {
        Header copy = header;
        nlmsg_append(message_, &copy, sizeof copy, NLMSG_ALIGNTO);
    }
    ~Request() { nlmsg_free(message_); }
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    Request& text(int type, const std::string& value) {
        nla_put_string(message_, type, value.c_str());
        return *this;
    }
    Request& u32(int type, std::uint32_t value) {
        nla_put_u32(message_, type, value);
        return *this;
    }
    Request& u16(int type, std::uint16_t value) {
        nla_put_u16(message_, type, value);
        return *this;
    }
    Request& u8(int type, std::uint8_t value) {
        nla_put_u8(message_, type, value);
        return *this;
    }
    Request& bytes(int type, const std::string& value) {
        nla_put(message_, type, static_cast<int>(value.size()), value.data());
        return *this;
    }
    Request& nest(int type, const std::function<void(Request&)>& fill) {
        nlattr* start = nla_nest_start(message_, type);
        fill(*this);
        nla_nest_end(message_, start);
        return *this;
    }
    /// The header of a peer link comes bare inside its attribute.
    Request& raw(const void* data, std::size_t size) {
        nlmsg_append(message_, const_cast<void*>(data), size, NLMSG_ALIGNTO);
        return *this;
    }
    nl_msg* message() { return message_; }

  private:
    nl_msg* message_;
};

std::string mac_bytes(const std::string& text) {
    std::string bytes;
    for (const auto& part : split(text, ':')) {
        bytes.push_back(static_cast<char>(std::strtoul(part.c_str(), nullptr, 16)));
    }
    return bytes;
}

std::string mac_text(const nlattr* attribute) {
    std::string text;
    const auto* data = static_cast<const std::uint8_t*>(nla_data(attribute));
    for (int i = 0; i < nla_len(attribute); ++i) {
        text += (i == 0 ? "" : ":") + to_hex(std::span(data + i, 1));
    }
    return text;
}

std::string bytes_of(const nlattr* attribute) {
    return {static_cast<const char*>(nla_data(attribute)),
            static_cast<std::size_t>(nla_len(attribute))};
}

struct Answer {
    int error = 0;
    bool done = false;
    std::function<void(nlmsghdr*)> each;
};

int on_message(nl_msg* message, void* data) {
    auto& answer = *static_cast<Answer*>(data);
    if (answer.each) { answer.each(nlmsg_hdr(message)); }
    return NL_OK;
}
int on_ack(nl_msg*, void* data) {
    static_cast<Answer*>(data)->done = true;
    return NL_STOP;
}
int on_finish(nl_msg*, void* data) {
    static_cast<Answer*>(data)->done = true;
    return NL_STOP;
}
int on_error(sockaddr_nl*, nlmsgerr* error, void* data) {
    auto& answer = *static_cast<Answer*>(data);
    answer.error = -error->error;
    answer.done = true;
    return NL_STOP;
}

int exchange(nl_sock* socket, nl_msg* message, Answer& answer) {
    if (const int sent = nl_send_auto(socket, message); sent < 0) { return errno_of(sent); }
    nl_cb* callbacks = nl_cb_alloc(NL_CB_DEFAULT);
    nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, on_message, &answer);
    nl_cb_set(callbacks, NL_CB_ACK, NL_CB_CUSTOM, on_ack, &answer);
    nl_cb_set(callbacks, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, &answer);
    nl_cb_err(callbacks, NL_CB_CUSTOM, on_error, &answer);
    int got = 0;
    while (!answer.done && got >= 0) { got = nl_recvmsgs(socket, callbacks); }
    nl_cb_put(callbacks);
    if (answer.error != 0) { return answer.error; }
    return got < 0 ? errno_of(got) : 0;
}

Link parse_link(nlmsghdr* header) {
    const auto* info = static_cast<const ifinfomsg*>(nlmsg_data(header));
    std::array<nlattr*, IFLA_MAX + 1> fields{};
    nlmsg_parse(header, sizeof(ifinfomsg), fields.data(), IFLA_MAX, nullptr);
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
        std::array<nlattr*, IFLA_INFO_MAX + 1> details{};
        nla_parse_nested(details.data(), IFLA_INFO_MAX, fields[IFLA_LINKINFO], nullptr);
        if (details[IFLA_INFO_KIND] != nullptr) {
            link.kind = nla_get_string(details[IFLA_INFO_KIND]);
        }
    }
    return link;
}

constexpr int create_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
constexpr int change_flags = NLM_F_REQUEST | NLM_F_ACK;

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
    nl_sock* socket = nl_socket_alloc();
    if (socket == nullptr) { return Error{Errc::Exhausted, "no memory for a netlink socket"}; }
    Netlink netlink(socket);
    if (const int failed = nl_connect(socket, NETLINK_ROUTE); failed < 0) {
        return os_error("open a route netlink socket", errno_of(failed));
    }
    nl_socket_set_buffer_size(socket, 128 * 1024, 32 * 1024);
    return netlink;
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

namespace {
ifaddrmsg address_header(const InterfaceAddress& address) {
    ifaddrmsg header{};
    header.ifa_family = address.bytes.size() == 16 ? AF_INET6 : AF_INET;
    header.ifa_prefixlen = static_cast<std::uint8_t>(address.bits);
    header.ifa_index = static_cast<unsigned>(address.link);
    header.ifa_scope = address.link_local ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    if (header.ifa_family == AF_INET6) { header.ifa_flags = IFA_F_NODAD; }
    return header;
}

rtmsg route_header(const Route& route) {
    rtmsg header{};
    header.rtm_family = route.v6 ? AF_INET6 : AF_INET;
    header.rtm_dst_len = static_cast<std::uint8_t>(route.bits);
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_type = RTN_UNICAST;
    header.rtm_scope = route.gateway.empty() && !route.v6 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    if (route.onlink) { header.rtm_flags = RTNH_F_ONLINK; }
    return header;
}

void put_route(Request& request, const Route& route) {
    if (route.bits > 0) { request.bytes(RTA_DST, route.destination); }
    if (!route.gateway.empty()) { request.bytes(RTA_GATEWAY, route.gateway); }
    if (route.link > 0) { request.u32(RTA_OIF, static_cast<std::uint32_t>(route.link)); }
    if (route.metric > 0) { request.u32(RTA_PRIORITY, route.metric); }
}

Route parse_route(nlmsghdr* header) {
    const auto* info = static_cast<const rtmsg*>(nlmsg_data(header));
    std::array<nlattr*, RTA_MAX + 1> fields{};
    nlmsg_parse(header, sizeof(rtmsg), fields.data(), RTA_MAX, nullptr);
    Route route;
    route.v6 = info->rtm_family == AF_INET6;
    route.bits = info->rtm_dst_len;
    if (fields[RTA_DST] != nullptr) { route.destination = bytes_of(fields[RTA_DST]); }
    if (fields[RTA_GATEWAY] != nullptr) { route.gateway = bytes_of(fields[RTA_GATEWAY]); }
    if (fields[RTA_OIF] != nullptr) { route.link = static_cast<int>(nla_get_u32(fields[RTA_OIF])); }
    if (fields[RTA_PRIORITY] != nullptr) { route.metric = nla_get_u32(fields[RTA_PRIORITY]); }
    return route;
}
} // namespace

Result<void> Netlink::add_address(const InterfaceAddress& address) {
    Request request(RTM_NEWADDR, create_flags, address_header(address));
    request.bytes(IFA_LOCAL, address.bytes).bytes(IFA_ADDRESS, address.bytes);
    auto done = talk(request.message(), "add an address to link " + std::to_string(address.link));
    if (!done && done.error().os_errno == EEXIST) { return ok(); }
    return done;
}

Result<void> Netlink::remove_address(const InterfaceAddress& address) {
    Request request(RTM_DELADDR, change_flags, address_header(address));
    request.bytes(IFA_LOCAL, address.bytes);
    return talk(request.message(), "remove an address of link " + std::to_string(address.link));
}

Result<std::vector<InterfaceAddress>> Netlink::addresses() {
    Request request(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, ifaddrmsg{});
    std::vector<InterfaceAddress> all;
    Answer answer;
    answer.each = [&](nlmsghdr* header) {
        const auto* info = static_cast<const ifaddrmsg*>(nlmsg_data(header));
        std::array<nlattr*, IFA_MAX + 1> fields{};
        nlmsg_parse(header, sizeof(ifaddrmsg), fields.data(), IFA_MAX, nullptr);
        const nlattr* value =
            fields[IFA_LOCAL] != nullptr ? fields[IFA_LOCAL] : fields[IFA_ADDRESS];
        if (value == nullptr) { return; }
        all.push_back({bytes_of(value), info->ifa_prefixlen, static_cast<int>(info->ifa_index),
                       info->ifa_scope == RT_SCOPE_LINK});
    };
    if (const int failed = exchange(socket_, request.message(), answer); failed != 0) {
        return os_error("list addresses", failed);
    }
    return all;
}

Result<void> Netlink::replace_route(const Route& route) {
    Request request(RTM_NEWROUTE, change_flags | NLM_F_CREATE | NLM_F_REPLACE, route_header(route));
    put_route(request, route);
    return talk(request.message(), "set a route");
}

Result<void> Netlink::remove_route(const Route& route) {
    auto header = route_header(route);
    header.rtm_protocol = 0;
    header.rtm_scope = RT_SCOPE_NOWHERE;
    Request request(RTM_DELROUTE, change_flags, header);
    put_route(request, route);
    return talk(request.message(), "remove a route");
}

Result<std::vector<Route>> Netlink::routes() {
    Request request(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, rtmsg{});
    std::vector<Route> all;
    Answer answer;
    answer.each = [&](nlmsghdr* header) {
        const auto* info = static_cast<const rtmsg*>(nlmsg_data(header));
        if (info->rtm_table == RT_TABLE_MAIN && info->rtm_type == RTN_UNICAST) {
            all.push_back(parse_route(header));
        }
    };
    if (const int failed = exchange(socket_, request.message(), answer); failed != 0) {
        return os_error("list routes", failed);
    }
    return all;
}

} // namespace shoal::os
