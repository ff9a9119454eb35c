// The nftables text of the routing mesh, pure: two tables of one name (inet, netdev) whose rules
// are fixed by the plan and whose sets and maps follow the state. Each published port has a chain
// for each number of tasks that it had (so a counter of its own, which spreads exactly for any
// number), and a verdict map says which one is in use: a task more or less is a few elements. By
// client: one chain, whose slots belong to tasks by rendezvous hashing, the same on every node; a
// task that goes moves its own slots only.
//
// Who filters: what a node forwards for a published port passes the main table's chain `user`
// (forward, priority -10) on the node that is entered, whichever node the task is on, with
// `ct original proto-dst` the published port. What the node's own processes send to a published
// port (127.0.0.1 as well) is not forwarded: hooks output and postrouting see it. On the node of
// the task the connection has the mark below, by which the main table lets it pass without asking
// `user` again: there the original port is the container's.
#pragma once

#include "network/mesh.h"
#include "network/rules.h"

#include <set>
#include <string>
#include <string_view>

namespace shoal::network {

inline constexpr std::uint32_t mesh_mark_mask = 0x00ffffff;
/// Of packets that come in by the mesh, while sources are checked: the way back to them is the
/// mesh.
inline constexpr std::uint32_t mesh_in_mark = 0x005a0000;
/// The tag of network/rules.h, and the number of the node that was entered.
std::uint32_t mesh_mark(NodeIndex node);

/// The hardware address of replies until the real one is written.
inline constexpr NodeIndex mesh_anywhere = 0;

/// A task's IPv6 address in the mesh, or a node's by its next hop; none without a prefix.
Ip mesh_address6(const MeshPlan& plan, const Ip& v4);

struct MeshChain {
    MeshPort port;
    std::size_t tasks = 0; ///< 0: by client
    auto operator<=>(const MeshChain&) const = default;
};
using MeshChains = std::set<MeshChain>;
MeshChains mesh_chains(const MeshState& state);

/// Replaces both tables, whatever is there now. The link has to exist, but for RulePerNode.
std::string render_mesh(const MeshPlan& plan, const MeshState& state, MeshReplies replies);
/// From one state to the other in one transaction; "" when there is nothing to do. `chains` are
/// those that exist, and become those that will.
struct MeshChange {
    const MeshState& from;
    const MeshState& to;
};
std::string render_mesh_change(const MeshPlan& plan, MeshChange change, MeshReplies replies,
                               MeshChains& chains);
std::string render_delete_mesh(const MeshPlan& plan);

/// What a repair compares: a line for each element, and one for each chain with the number of its
/// rules.
std::set<std::string> mesh_facts(const MeshPlan& plan, const MeshState& state, MeshReplies replies,
                                 const MeshChains& chains);
std::vector<std::string> mesh_families(MeshReplies replies); ///< of the tables that are there
/// From nft's JSON. Fails: Invalid.
Result<std::set<std::string>> parse_mesh_facts(std::string_view json);

} // namespace shoal::network
