// What the routing mesh has beside its tables: neighbours, forwarding entries, routes and routing
// rules, as a value that follows from plan and state. Pure; network/mesh.cpp brings the kernel in
// line with it.
#pragma once

#include "network/mesh_rules.h"

#include <map>
#include <string>
#include <tuple>

namespace shoal::network {

struct MeshRoute {
    Ip destination; ///< none: the default route
    Family family = Family::V4;
    int table = 0; ///< 0: main
    auto operator<=>(const MeshRoute&) const = default;
};
/// Packets with this mark that came in by this link look into the table.
struct MeshRule {
    std::string in_link;
    std::uint32_t mark = 0, mask = 0;
    Family family = Family::V4;
    auto operator<=>(const MeshRule&) const = default;
};

struct MeshLinks {
    std::map<Ip, std::string> neighbours; ///< next hop and hardware address
    std::map<std::string, Ip> forwarding; ///< hardware address and node
    std::map<MeshRoute, Ip> routes;       ///< by that next hop
    std::map<MeshRule, int> rules;        ///< and their table
    bool operator==(const MeshLinks&) const = default;
};

MeshLinks plan_mesh_links(const MeshPlan& plan, const MeshState& state, MeshReplies replies);
/// What `a` has and `b` has not, or with another value.
MeshLinks mesh_links_missing(const MeshLinks& a, const MeshLinks& b);
/// What `a` has and `b` has not, whatever the value: what may be removed on the way from a to b.
MeshLinks mesh_links_gone(const MeshLinks& a, const MeshLinks& b);

std::size_t size_of(const MeshLinks& links);

} // namespace shoal::network
