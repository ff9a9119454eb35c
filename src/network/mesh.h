// The kernel side of the routing mesh, in the host's namespace: a published port is answered on
// every node, and the container sees the client's own address, whichever node was entered. A VXLAN
// link between the nodes (the mesh), one route per task, a table of nftables of its own:
// translation on the node that is entered, a second one on the node of the task, whose replies find
// the way back by a mark and a hardware address that is rewritten when they leave. Blocking, for a
// worker thread, one call at a time. It does not know services; what is published is a value
// (MeshState).
#pragma once

#include "network/overlay.h"

namespace shoal::network {

struct MeshPlan {
    std::string table;   ///< of nftables, inet and netdev: "shoal_0_mesh"
    std::string link;    ///< "shoalm0"
    std::string gateway; ///< the bridge through which tasks reach the world
    std::vector<Subnet> gateway_subnets;
    int route_table = 0; ///< for replies on their way back
    std::uint32_t vni = 0;
    std::uint16_t port = 4789;
    Ip local;
    NodeIndex self = 0;
    int mtu = 1450;
    Subnet task_prefix6; ///< /96: a task's IPv6 address in the mesh is this and its IPv4 address
    std::vector<Ip> published_on; ///< empty: every address of the node
    bool operator==(const MeshPlan&) const = default;
};

/// "tcp 8080": what clients connect to.
struct MeshPort {
    Protocol protocol = Protocol::Tcp;
    std::uint16_t published = 0;
    auto operator<=>(const MeshPort&) const = default;
};
struct MeshBalance {
    std::uint16_t target = 0; ///< port in the containers
    std::vector<Ip> tasks;    ///< addresses on the ingress network, IPv4; empty: refused (reset)
    bool by_client = false;
    bool operator==(const MeshBalance&) const = default;
};
/// A task on this node.
struct MeshTask {
    Ip v4, v6;                                          ///< on the gateway bridge; v6 may be none
    std::set<std::pair<Protocol, std::uint16_t>> ports; ///< that are published of it
    bool operator==(const MeshTask&) const = default;
};
struct MeshNode {
    Ip address;                ///< where it takes VXLAN packets
    std::vector<Ip> addresses; ///< all that it is known by
    bool operator==(const MeshNode&) const = default;
};

struct MeshState {
    std::map<NodeIndex, MeshNode> nodes; ///< the others
    std::map<Ip, NodeIndex> remote; ///< tasks elsewhere, by their address on the ingress network
    std::map<Ip, MeshTask> local;
    std::map<MeshPort, MeshBalance> ports;
    bool operator==(const MeshState&) const = default;
};

/// How replies find back to the node that was entered.
enum class MeshReplies {
    Detect,      ///< as the kernel can
    Rewrite,     ///< one route; the hardware address of the node is written when they leave
    RulePerNode, ///< no egress hook (before Linux 5.16): a rule and a table for each node, from
                 ///< route_table + 1 on
};

class Mesh {
  public:
    /// Makes link, rules and table, or adopts them; whatever was in the table goes, and comes with
    /// apply(), in one transaction. Fails: Unsupported where the kernel cannot do it.
    static Result<Mesh> open(MeshPlan plan, MeshReplies replies = MeshReplies::Detect);
    Mesh(Mesh&&) noexcept;
    Mesh& operator=(Mesh&&) noexcept;
    ~Mesh(); ///< everything stays

    const MeshPlan& plan() const;
    const MeshState& state() const;
    /// As Overlay::apply. Connections to tasks that are not in `wanted` any more are cut off on the
    /// way: after the tables have changed, so that no new ones come, and before the routes go.
    Result<void> apply(const MeshState& wanted);
    Result<std::size_t> repair();
    /// Link, routes, rules and table go.
    Result<void> remove();

  private:
    struct Impl;
    explicit Mesh(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace shoal::network
