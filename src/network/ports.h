// Host ports held for containers. A bound socket in the host's namespace keeps each published port
// from everybody else; a filter on it drops what arrives there, since the kernel's rules send the
// traffic to the container before it gets here. Where no rule can do that ([::1], and IPv6
// addresses of a container that has only IPv4), the same socket relays. It chooses ports and holds
// them; it writes no rules (network/rules.h).
#pragma once

#include "net/loop.h"
#include "network/types.h"
#include "os/fd.h"

#include <map>
#include <memory>
#include <vector>

namespace shoal::network {

/// Where a container's ports lead.
struct PortTarget {
    Ip v4; ///< none when the container has none
    Ip v6;
};

/// One port held.
struct HeldPort {
    PortBinding binding;
    Ip host; ///< none: any address of the family
    Family family = Family::V4;
    Ip target;         ///< of the rule; none when everything is relayed
    Ip relay;          ///< where the relay leads; none when there is none
    bool shown = true; ///< false for the [::1] companion of an IPv4 port
    os::Fd socket;
};

/// Holds the ports of all wishes or none. `fixed` are bindings to take again after a restart of the
/// daemon: the same host ports, whatever the wishes' ranges. Fails: "Bind for 0.0.0.0:80 failed:
/// port is already allocated".
struct PortRequest {
    std::vector<PortWish> wishes;
    std::vector<PortBinding> fixed;
    PortTarget target;
    std::string default_v4 = "0.0.0.0"; ///< host address of wishes without one
    bool host_ipv6 = true;              ///< the host has IPv6: [::1] is served
    bool relay_all = false;             ///< there are no rules: every port is relayed
    /// Ports that are the cluster's, and the service's name.
    std::map<std::pair<Protocol, std::uint16_t>, std::string> reserved;
};
/// `taken` says that a port is held by us already: then the message says "already allocated".
Result<std::vector<HeldPort>> hold_ports(const PortRequest& request,
                                         const std::vector<PortBinding>& taken);

/// Serves the relayed ports of one container until destroyed.
class Relays {
  public:
    Relays(net::Loop& loop, std::vector<HeldPort> ports);
    ~Relays();
    Relays(const Relays&) = delete;
    Relays& operator=(const Relays&) = delete;
    const std::vector<HeldPort>& ports() const { return ports_; }

    static constexpr std::size_t connections_max = 1024;

  private:
    struct Relay;
    net::Task<void> serve_tcp(Relay* relay);
    net::Task<void> serve_udp(Relay* relay);
    net::Task<void> serve_udp_session(Relay* relay, std::string peer);

    net::Loop& loop_;
    std::vector<HeldPort> ports_;
    std::vector<std::unique_ptr<Relay>> relays_;
};

} // namespace shoal::network
