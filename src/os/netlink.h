// Links, addresses and routes of one network namespace, by rtnetlink. A Netlink works on the
// namespace in which its socket was opened, from any thread, one thread at a time. Addresses are
// bytes in network order (4 or 16), so that this folder needs no address type. It decides nothing:
// callers say what shall exist.
#pragma once

#include "os/fd.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct nl_sock;
struct nl_msg;

namespace shoal::os {

struct Link {
    int index = 0;
    std::string name;
    std::string kind; ///< "veth", "bridge", "dummy", "" for physical
    std::string mac;  ///< "02:42:..."
    int mtu = 0;
    int master = 0;
    bool up = false;
};

struct BridgeLink {
    std::string name;
    std::string mac; ///< always given: a bridge without one changes its address with its ports
    int mtu = 0;     ///< 0: the kernel's choice
};

struct VethLink {
    std::string name;      ///< here
    std::string peer_name; ///< there
    int peer_netns = -1;   ///< descriptor; -1 for the same namespace
    std::string peer_mac;  ///< "" for random
    int mtu = 0;
    int master = 0; ///< bridge of the near end
};

struct MacvlanLink {
    std::string name;
    int parent = 0;
    std::string mode = "bridge"; ///< bridge private vepa passthru
    int netns = -1;
    std::string mac;
    int mtu = 0;
};

struct IpvlanLink {
    std::string name;
    int parent = 0;
    std::string mode = "l2";     ///< l2 l3 l3s
    std::string flag = "bridge"; ///< bridge private vepa
    int netns = -1;
    int mtu = 0;
};

/// Without learning, flooding or a group: who is where is said by forwarding entries.
struct VxlanLink {
    std::string name;
    std::uint32_t vni = 0;
    std::uint16_t port = 4789;
    std::string local; ///< address, 4 or 16 bytes: where packets come from
    std::string mac;
    int mtu = 0;
    int netns = -1; ///< where the link goes; its socket stays in the namespace of this Netlink
};

/// Permanent entries; replaced when there are others for the same key.
struct Neighbour {
    std::string address; ///< 4 or 16 bytes
    std::string mac;
    int link = 0;
};
/// Of a VXLAN link: frames for this hardware address go to that node.
struct ForwardingEntry {
    std::string mac;
    std::string node; ///< 4 or 16 bytes
    int link = 0;
};

/// Packets that came in by this link with this mark look into that table.
struct MarkRule {
    std::string in_link;
    std::uint32_t mark = 0, mask = 0;
    int table = 0;
    std::uint32_t priority = 0;
    bool v6 = false;
};

/// Of a bridge port.
struct PortFlags {
    bool isolated = false; ///< no traffic to other isolated ports
    bool hairpin = false;  ///< frames may leave where they came in
};

struct InterfaceAddress {
    std::string bytes;
    int bits = 0;
    int link = 0;
    bool link_local = false; ///< scope link
    bool no_route = false;   ///< its subnet is not reached by the link itself
};

struct Route {
    std::string destination; ///< "" with bits 0 for the default route
    int bits = 0;
    std::string gateway; ///< "" for a route to the link itself
    int link = 0;
    bool v6 = false;
    bool onlink = false;
    std::uint32_t metric = 0;
    int table = 0;            ///< 0: main
    bool unreachable = false; ///< packets are answered with an error; without link and gateway
};

class Netlink {
  public:
    /// In the namespace of the calling thread.
    static Result<Netlink> open();
    static Result<Netlink> open_in(const Fd& netns);
    Netlink(Netlink&& other) noexcept;
    Netlink& operator=(Netlink&& other) noexcept;
    ~Netlink();

    Result<std::optional<Link>> find_link(const std::string& name);
    Result<Link> link(const std::string& name); ///< fails: NotFound
    Result<std::vector<Link>> links();

    Result<void> create_bridge(const BridgeLink& bridge);
    /// Both ends at once, each in its namespace, the near one already a port of its bridge.
    Result<void> create_veth(const VethLink& veth);
    Result<void> create_macvlan(const MacvlanLink& link);
    Result<void> create_ipvlan(const IpvlanLink& link); ///< Unsupported when the kernel has none
    Result<void> create_vxlan(const VxlanLink& link);   ///< Unsupported when the kernel has none
    /// None when there is no such link, or it is of another kind.
    Result<std::optional<VxlanLink>> find_vxlan(const std::string& name);
    Result<void> create_vlan(const std::string& name, int parent, int id);
    Result<void> create_dummy(const std::string& name);
    Result<void> delete_link(int index);

    Result<void> set_up(int index, bool up);
    /// Up, and without an IPv6 link-local address: the near end of a veth that is a bridge port.
    Result<void> set_port_up(const std::string& name);
    Result<void> set_port_flags(int index, PortFlags flags);
    Result<void> set_mtu(int index, int mtu);
    Result<void> set_name(int index, const std::string& name);

    /// No duplicate address detection: addresses come from our own pool. Success when it is there
    /// already.
    Result<void> add_address(const InterfaceAddress& address);
    Result<void> remove_address(const InterfaceAddress& address);
    Result<std::vector<InterfaceAddress>> addresses();

    Result<void> replace_route(const Route& route);
    Result<void> remove_route(const Route& route);
    /// With the unreachable ones. 0: of the main table.
    Result<std::vector<Route>> routes(int table = 0);

    /// Fails: NotFound when a link is missing, or there is no such entry to remove.
    Result<void> replace_neighbour(const Neighbour& entry);
    Result<void> remove_neighbour(const Neighbour& entry);
    Result<std::vector<Neighbour>> neighbours(int link); ///< permanent ones
    Result<void> replace_forwarding(const ForwardingEntry& entry);
    Result<void> remove_forwarding(const ForwardingEntry& entry);
    Result<std::vector<ForwardingEntry>> forwarding(int link);
    Result<void> ensure_rule(const MarkRule& rule);
    Result<void> remove_rule(const MarkRule& rule); ///< absent is success
    Result<std::vector<MarkRule>> rules(std::uint32_t priority); ///< those that lead to a table

  private:
    explicit Netlink(nl_sock* socket) : socket_(socket) {}
    Result<void> talk(nl_msg* message, const std::string& what);
    nl_sock* socket_ = nullptr;
};

} // namespace shoal::os
