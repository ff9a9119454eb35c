// The kernel objects of networks and containers: bridges and VLAN parents in the host's namespace,
// a container's namespace with its interfaces, addresses and routes. Blocking; to be called on a
// worker thread. What shall exist is an argument, everything tolerates being there or gone already,
// and nothing here chooses an address or a name.
#pragma once

#include "network/dns.h"
#include "network/options.h"
#include "network/types.h"
#include "os/fd.h"

#include <string>
#include <vector>

namespace shoal::network {

/// A bridge and its addresses on the host.
struct BridgePlan {
    std::string link;
    bool make = true; ///< false: somebody else's bridge, which must exist
    int mtu = 0;
    std::vector<std::pair<Ip, int>> addresses; ///< gateway and prefix length
    bool ipv6 = false;
    bool localnet = true; ///< 127.0.0.1 may be translated towards it
};
/// Creates or adopts the bridge and brings addresses and parameters in line.
Result<void> ensure_bridge(const BridgePlan& plan);
Result<bool> link_exists(const std::string& name);
/// The addresses a link has; empty when there is no such link.
Result<std::vector<std::pair<Ip, int>>> link_addresses(const std::string& name);
/// Absent is success.
Result<void> remove_link(const std::string& name);

/// A parent of macvlan or ipvlan: "eth0", or "eth0.10", made as a VLAN link when it is missing.
/// True: made here.
Result<bool> ensure_parent(const std::string& parent);
/// A dummy link as parent of a network without one. Fails: Unsupported where the kernel has no
/// dummy links.
Result<void> ensure_dummy_parent(const std::string& name);

struct SandboxPlan {
    std::string path; ///< where the namespace is kept
    bool dns = false; ///< open the sockets of the embedded DNS and redirect port 53 to them
    std::uint16_t dns_port = 0;
    std::vector<std::pair<std::string, std::string>> sysctls; ///< before there are interfaces
};
struct Sandbox {
    os::Fd netns;
    DnsSockets dns; ///< without descriptors when not asked for
};
Result<Sandbox> create_sandbox(const SandboxPlan& plan);
/// After a restart of the daemon: the namespace that is there, with new sockets on the port that is
/// redirected.
Result<Sandbox> adopt_sandbox(const SandboxPlan& plan);
/// Embedded DNS for a namespace that had none.
Result<DnsSockets> start_dns_in(const os::Fd& netns);

struct InterfacePlan {
    std::string driver;    ///< bridge, macvlan, ipvlan
    std::string name;      ///< inside: "eth0"
    std::string host_link; ///< near end of the veth
    std::string bridge;
    std::string parent; ///< macvlan, ipvlan
    std::string mode, flag;
    bool isolated = false; ///< no traffic to other isolated ports
    bool hairpin = false;  ///< what it sends may come back to it: its own published port, where
                           ///< bridges are filtered
    std::string mac;
    int mtu = 0;
    std::vector<std::pair<Ip, int>> addresses;
    std::vector<Ip> link_local;
    std::vector<std::string> sysctls; ///< "net.ipv4.conf.IFNAME.x=1"
    bool no_routes = false;           ///< its addresses bring no route to their subnets
};
Result<void> add_interface(const os::Fd& netns, const InterfacePlan& plan);
/// The part of add_interface() that is done inside, for an interface that is there: parameters,
/// addresses, up.
Result<void> configure_interface(const os::Fd& netns, const InterfacePlan& plan);
Result<void> remove_interface(const os::Fd& netns, const std::string& name);
/// The default routes lead there and nowhere else; none removes them. With only an interface
/// (ipvlan l3), to the link.
struct DefaultRoutes {
    Ip v4, v6;
    std::string link4, link6;
    bool device4 = false, device6 = false; ///< route to the device itself
};
Result<void> set_default_routes(const os::Fd& netns, const DefaultRoutes& routes);

/// Facts of the host that decisions need.
struct HostFacts {
    std::vector<Subnet> routes; ///< of all links but our own bridges
    std::vector<Ip> addresses;
    bool ipv6 = true;
};
Result<HostFacts> load_host_facts();

/// Turns forwarding on where it is off; true when it was off.
Result<bool> ensure_forwarding(Family family);

} // namespace shoal::network
