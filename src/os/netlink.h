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
};

struct Route {
    std::string destination; ///< "" with bits 0 for the default route
    int bits = 0;
    std::string gateway; ///< "" for a route to the link itself
    int link = 0;
    bool v6 = false;
    bool onlink = false;
    std::uint32_t metric = 0;
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
    Result<std::vector<Route>> routes(); ///< of the main table

  private:
    explicit Netlink(nl_sock* socket) : socket_(socket) {}
    Result<void> talk(nl_msg* message, const std::string& what);
    nl_sock* socket_ = nullptr;
};

} // namespace shoal::os
