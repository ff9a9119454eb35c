#include "network/mesh_links.h"

namespace shoal::network {
namespace {

/// fe80::N; what leads anywhere is beyond the numbers of nodes, since fe80:: itself is anycast.
Ip hop6(NodeIndex node) {
    const Ip::Number prefix = static_cast<Ip::Number>(0xfe80) << 112;
    return Ip::from_number(Family::V6, prefix | (node == mesh_anywhere ? 0x10000u : node));
}

std::vector<Ip> hops(const MeshPlan& plan, NodeIndex node) {
    std::vector<Ip> all{overlay_hop(node)};
    if (!plan.task_prefix6.empty()) { all.push_back(hop6(node)); }
    return all;
}

void add_neighbours(MeshLinks& out, const MeshPlan& plan, NodeIndex node) {
    for (const auto& hop : hops(plan, node)) { out.neighbours[hop] = overlay_mac(node); }
}

void add_task(MeshLinks& out, const MeshPlan& plan, const Ip& task, NodeIndex node) {
    out.routes[{task, Family::V4, 0}] = overlay_hop(node);
    if (const auto task6 = mesh_address6(plan, task); task6) {
        out.routes[{task6, Family::V6, 0}] = hop6(node);
    }
}

/// A table in which everything leads to a node, for packets with its mark.
struct WayBack {
    NodeIndex node = mesh_anywhere;
    std::uint32_t mark = 0, mask = 0;
    int table = 0;
};
void add_way_back(MeshLinks& out, const MeshPlan& plan, const std::string& in_link,
                  const WayBack& way) {
    for (const auto& hop : hops(plan, way.node)) {
        out.routes[{{}, hop.family(), way.table}] = hop;
        out.rules[{in_link, way.mark, way.mask, hop.family()}] = way.table;
    }
}

} // namespace

MeshLinks plan_mesh_links(const MeshPlan& plan, const MeshState& state, MeshReplies replies) {
    MeshLinks out;
    const auto anywhere = [&](std::uint32_t mark) {
        return WayBack{mesh_anywhere, mark, mesh_mark_tag_mask, plan.route_table};
    };
    add_neighbours(out, plan, mesh_anywhere);
    // Checks of sources ask as if the node itself, or the gateway, sent the answer.
    add_way_back(out, plan, "lo", anywhere(mesh_in_mark));
    add_way_back(out, plan, plan.gateway, anywhere(mesh_in_mark));
    if (replies == MeshReplies::Rewrite) {
        add_way_back(out, plan, plan.gateway, anywhere(mesh_mark_tag));
    }
    for (const auto& [index, node] : state.nodes) {
        add_neighbours(out, plan, index);
        out.forwarding[overlay_mac(index)] = node.address;
        if (replies == MeshReplies::Rewrite) { continue; }
        add_way_back(out, plan, plan.gateway,
                     {index, mesh_mark(index), mesh_mark_mask, plan.route_table + index});
    }
    for (const auto& [task, index] : state.remote) {
        if (state.nodes.contains(index)) { add_task(out, plan, task, index); }
    }
    return out;
}

namespace {

template <class Map> Map missing(const Map& a, const Map& b) {
    Map out;
    for (const auto& [key, value] : a) {
        const auto other = b.find(key);
        if (other == b.end() || other->second != value) { out.emplace(key, value); }
    }
    return out;
}

template <class Map> Map gone(const Map& a, const Map& b) {
    Map out;
    for (const auto& [key, value] : a) {
        if (!b.contains(key)) { out.emplace(key, value); }
    }
    return out;
}

} // namespace

MeshLinks mesh_links_missing(const MeshLinks& a, const MeshLinks& b) {
    return {missing(a.neighbours, b.neighbours), missing(a.forwarding, b.forwarding),
            missing(a.routes, b.routes), missing(a.rules, b.rules)};
}

MeshLinks mesh_links_gone(const MeshLinks& a, const MeshLinks& b) {
    return {gone(a.neighbours, b.neighbours), gone(a.forwarding, b.forwarding),
            gone(a.routes, b.routes), gone(a.rules, b.rules)};
}

std::size_t size_of(const MeshLinks& links) {
    return links.neighbours.size() + links.forwarding.size() + links.routes.size() +
           links.rules.size();
}

} // namespace shoal::network
