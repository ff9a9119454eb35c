// The kernel side of networks that span nodes: for each such network on this node a namespace of its
// own (the overlay), which is a router: a veth to each local container, a VXLAN link to the other
// nodes, one route per address, and nftables rules that balance virtual addresses. Blocking, to be
// called on a worker thread, one call at a time for one overlay. What shall exist is a value
// (OverlayState); nothing here chooses an address or hears from a manager (engine/overlays.h).
// Containers cannot change any of it, whatever their rights in their own namespace.
#pragma once

#include "network/endpoint.h"
#include "network/types.h"

#include <map>
#include <memory>
#include <set>

namespace shoal::network {

/// A node's number in the cluster, 1..65535: in addresses, hardware addresses and marks.
using NodeIndex = std::uint16_t;

/// What does not change during the life of an overlay on a node.
struct OverlayPlan {
    std::string path; ///< where the namespace is kept
    std::uint32_t vni = 0;
    std::uint16_t port = 4789; ///< of VXLAN
    Ip local;                  ///< where this node takes VXLAN packets
    NodeIndex self = 0;
    int mtu = 1450;               ///< of the containers' interfaces
    std::vector<Subnet> subnets;  ///< both families
    std::vector<Ip> gateways;     ///< one in each subnet; the overlay has them
    bool operator==(const OverlayPlan&) const = default;
};

/// New connections to a virtual address go to these in turn.
struct Balance {
    std::vector<Ip> backends; ///< in order; empty: refused (reset)
    bool by_client = false;   ///< one client address, one backend, as long as it is there
    bool operator==(const Balance&) const = default;
};

/// What changes.
struct OverlayState {
    std::map<NodeIndex, Ip> nodes;           ///< the others, and where they take VXLAN packets
    std::map<Ip, NodeIndex> remote;          ///< addresses behind them
    std::map<Ip, std::string> local;         ///< addresses here, and the near end of their veth
    std::map<Ip, Balance> services;          ///< by virtual address
    bool operator==(const OverlayState&) const = default;
};

struct OverlayEndpointPlan {
    std::string near_link; ///< in the overlay: "veth" + 9 digits
    std::string name;      ///< in the container: "eth0"
    std::string mac;
    std::vector<std::pair<Ip, int>> addresses; ///< with the prefix length of their subnet
    std::vector<std::string> sysctls;          ///< "net.ipv4.conf.IFNAME.x=1"
};

class Overlay {
  public:
    /// Makes it, or adopts what a life before has left (state() is then what the kernel has, and
    /// the first apply() brings it in line). Fails: Unsupported when the kernel has no VXLAN;
    /// Conflict when one with another plan is there.
    static Result<Overlay> open(OverlayPlan plan);
    Overlay(Overlay&&) noexcept;
    Overlay& operator=(Overlay&&) noexcept;
    ~Overlay(); ///< the namespace stays

    const OverlayPlan& plan() const;
    const OverlayState& state() const; ///< as applied

    /// Brings the kernel from state() to `wanted`: routes and neighbours before balancing when they
    /// come, after it when they go; all balancing in one transaction. On failure state() is what
    /// was reached, and the same call again goes on.
    Result<void> apply(const OverlayState& wanted);
    /// Looks at the kernel and brings everything in line with state(); how much was not.
    Result<std::size_t> repair();
    /// Ends what connections there are to `backend` over a virtual address, so that UDP clients and
    /// idle ones do not stay with one that is gone. Reset is what they get.
    Result<void> cut_off(Ip backend);

    /// The veth of a container into its namespace, with the way to the subnets. `local` of the
    /// state has to name it as well.
    Result<void> add_endpoint(const os::Fd& netns, const OverlayEndpointPlan& plan);
    /// The whole of it goes, with everything in it.
    static Result<void> remove(const std::string& path);

  private:
    struct Impl;
    explicit Overlay(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// 02:fe:00:00:HH:LL, and the next hop 169.254.H.L by which routes name a node.
std::string overlay_mac(NodeIndex node);
Ip overlay_hop(NodeIndex node);

} // namespace shoal::network
