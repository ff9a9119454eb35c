#include "network/mesh.h"

#include "base/text.h"
#include "network/mesh_links.h"
#include "network/overlay_reset.h"

#include "os/conntrack.h"
#include "os/netlink.h"
#include "os/netns.h"
#include "os/nft.h"
#include "os/sysctl.h"

#include <algorithm>
#include <array>

namespace shoal::network {
namespace {

/// Before the main table (32766), after what is local (0).
constexpr std::uint32_t rule_priority = 91;

struct Parameter {
    Family family;
    const char* name;
    const char* value;
};

/// Of the mesh link. Sources are checked, loosely and by mark; nothing is learnt from neighbours.
constexpr std::array mesh_parameters = {
    Parameter{Family::V4, "rp_filter", "2"},        Parameter{Family::V4, "src_valid_mark", "1"},
    Parameter{Family::V4, "route_localnet", "1"},   Parameter{Family::V4, "accept_local", "0"},
    Parameter{Family::V4, "forwarding", "1"},       Parameter{Family::V4, "send_redirects", "0"},
    Parameter{Family::V4, "accept_redirects", "0"}, Parameter{Family::V6, "disable_ipv6", "0"},
    Parameter{Family::V6, "addr_gen_mode", "1"},    Parameter{Family::V6, "accept_ra", "0"},
    Parameter{Family::V6, "accept_dad", "0"},       Parameter{Family::V6, "forwarding", "1"},
};
constexpr Parameter gateway_parameter{Family::V4, "route_localnet", "1"};

Result<void> set_parameter(const std::string& link, const Parameter& parameter) {
    const auto name = std::string("net.") + (parameter.family == Family::V4 ? "ipv4" : "ipv6") +
                      ".conf." + replace_all(link, ".", "/") + "." + parameter.name;
    auto done = os::ensure_sysctl(name, parameter.value);
    // A kernel without IPv6, or a gateway that is still to come.
    if (!done && done.error().code == Errc::NotFound) { return ok(); }
    return done;
}

os::MarkRule mark_rule(const MeshRule& rule, int table) {
    return {rule.in_link, rule.mark, rule.mask, table, rule_priority, rule.family == Family::V6};
}

os::Route route_of(const MeshRoute& route, const Ip& hop, int link) {
    os::Route out;
    out.destination = route.destination ? route.destination.bytes() : "";
    out.bits = route.destination ? route.destination.width() : 0;
    out.gateway = hop.bytes();
    out.link = link;
    out.v6 = route.family == Family::V6;
    out.onlink = true;
    out.table = route.table;
    return out;
}

Result<void> tolerate_absent(Result<void> result) {
    if (!result && result.error().code == Errc::NotFound) { return ok(); }
    return result;
}

} // namespace

struct Mesh::Impl {
    Impl(MeshPlan wanted, os::Fd host, os::Netlink for_links, os::Nft for_tables,
         os::Conntrack for_connections)
        : plan(std::move(wanted)), netns(std::move(host)), netlink(std::move(for_links)),
          nft(std::move(for_tables)), conntrack(std::move(for_connections)) {}

    Result<std::size_t> ensure_link();
    Result<bool> link_fits();
    Result<void> make_link();
    Result<std::size_t> ensure_addresses();
    Result<void> ensure_parameters();
    bool can_rewrite();

    Result<MeshLinks> read_links();
    Result<void> read_routes(MeshLinks& out, int table);
    Result<void> read_rules(MeshLinks& out);
    std::set<int> tables_of(const MeshLinks& present) const;
    Result<void> add_links(const MeshLinks& more);
    Result<void> remove_links(const MeshLinks& less);

    Result<void> load_tables(const MeshState& wanted);
    Result<void> change_tables(const MeshState& wanted);
    Result<std::set<std::string>> read_facts();
    Result<std::size_t> repair_links();
    Result<std::size_t> repair_tables();

    std::map<Ip, Ip> answering(const MeshState& of) const;
    void note_departed(const MeshState& before);
    Result<void> cut_off_departed();
    Result<void> cut_off(const Ip& task, const Ip& backend);

    MeshPlan plan;
    os::Fd netns; ///< the host's
    os::Netlink netlink;
    os::Nft nft;
    os::Conntrack conntrack;
    MeshReplies replies = MeshReplies::Detect;
    int link = 0;
    MeshState state;           ///< as the tables have it
    MeshLinks links;           ///< as the kernel has them
    MeshChains chains;         ///< of ports, as the tables have them
    bool loaded = false;       ///< the tables are those of this life
    std::map<Ip, Ip> departed; ///< what answers for no task any more, and is still to be cut off
};

// The link.

Result<bool> Mesh::Impl::link_fits() {
    TRY_LET(found, netlink.find_link(plan.link));
    if (!found) { return false; }
    link = found->index;
    TRY_LET(vxlan, netlink.find_vxlan(plan.link));
    return vxlan && vxlan->vni == plan.vni && vxlan->port == plan.port &&
           vxlan->local == plan.local.bytes() && found->mac == overlay_mac(plan.self) &&
           found->mtu == plan.mtu && found->up;
}

Result<void> Mesh::Impl::make_link() {
    TRY_LET(old, netlink.find_link(plan.link));
    if (old) { TRY(netlink.delete_link(old->index)); }
    os::VxlanLink wanted;
    wanted.name = plan.link;
    wanted.vni = plan.vni;
    wanted.port = plan.port;
    wanted.local = plan.local.bytes();
    wanted.mac = overlay_mac(plan.self);
    wanted.mtu = plan.mtu;
    TRY(netlink.create_vxlan(wanted));
    TRY_LET(made, netlink.link(plan.link));
    link = made.index;
    TRY(ensure_parameters()); // some count only before it is up
    return netlink.set_up(link, true);
}

Result<std::size_t> Mesh::Impl::ensure_addresses() {
    const auto hop = overlay_hop(plan.self);
    TRY_LET(present, netlink.addresses());
    std::size_t missing = 0;
    for (const auto& ip : {hop, mesh_address6(plan, hop)}) {
        if (!ip) { continue; }
        const bool there = std::any_of(present.begin(), present.end(), [&](const auto& address) {
            return address.link == link && address.bytes == ip.bytes();
        });
        if (there) { continue; }
        TRY(netlink.add_address({ip.bytes(), ip.width(), link, false}));
        ++missing;
    }
    return missing;
}

Result<void> Mesh::Impl::ensure_parameters() {
    for (const auto& parameter : mesh_parameters) { TRY(set_parameter(plan.link, parameter)); }
    return set_parameter(plan.gateway, gateway_parameter);
}

Result<std::size_t> Mesh::Impl::ensure_link() {
    TRY_LET(fits, link_fits());
    if (!fits) { TRY(make_link()); }
    TRY(ensure_parameters());
    TRY_LET(missing, ensure_addresses());
    return missing + (fits ? 0 : 1);
}

/// The kernel says so when it is asked for such a chain, which goes in the same transaction.
bool Mesh::Impl::can_rewrite() {
    const auto probe = plan.table + "_probe";
    const auto asked =
        nft.apply("table netdev " + probe + " {\nchain out {\ntype filter hook egress device \"" +
                  plan.link + "\" priority 0;\n}\n}\ndelete table netdev " + probe + "\n");
    return asked.has_value();
}

// Neighbours, forwarding entries, routes and rules.

Result<void> Mesh::Impl::read_routes(MeshLinks& out, int table) {
    TRY_LET(routes, netlink.routes(table));
    for (const auto& route : routes) {
        if (route.link != link || route.gateway.empty()) { continue; }
        const auto family = route.v6 ? Family::V6 : Family::V4;
        const auto destination = route.bits > 0 ? Ip::from_bytes(route.destination) : Ip{};
        out.routes[{destination, family, table}] = Ip::from_bytes(route.gateway);
    }
    return ok();
}

Result<void> Mesh::Impl::read_rules(MeshLinks& out) {
    TRY_LET(rules, netlink.rules(rule_priority));
    for (const auto& rule : rules) {
        const auto family = rule.v6 ? Family::V6 : Family::V4;
        out.rules[{rule.in_link, rule.mark, rule.mask, family}] = rule.table;
    }
    return ok();
}

/// Tables that rules of ours lead to, or should.
std::set<int> Mesh::Impl::tables_of(const MeshLinks& present) const {
    std::set<int> all{0, plan.route_table};
    for (const auto& [rule, table] : present.rules) { all.insert(table); }
    for (const auto& [rule, table] : links.rules) { all.insert(table); }
    return all;
}

Result<MeshLinks> Mesh::Impl::read_links() {
    MeshLinks out;
    TRY_LET(neighbours, netlink.neighbours(link));
    for (const auto& entry : neighbours) {
        out.neighbours[Ip::from_bytes(entry.address)] = entry.mac;
    }
    TRY_LET(forwarding, netlink.forwarding(link));
    for (const auto& entry : forwarding) { out.forwarding[entry.mac] = Ip::from_bytes(entry.node); }
    TRY(read_rules(out));
    for (const int table : tables_of(out)) { TRY(read_routes(out, table)); }
    return out;
}

Result<void> Mesh::Impl::add_links(const MeshLinks& more) {
    for (const auto& [hop, mac] : more.neighbours) {
        TRY(netlink.replace_neighbour({hop.bytes(), mac, link}));
        links.neighbours[hop] = mac;
    }
    for (const auto& [mac, node] : more.forwarding) {
        TRY(netlink.replace_forwarding({mac, node.bytes(), link}));
        links.forwarding[mac] = node;
    }
    for (const auto& [route, hop] : more.routes) {
        TRY(netlink.replace_route(route_of(route, hop, link)));
        links.routes[route] = hop;
    }
    for (const auto& [rule, table] : more.rules) {
        TRY(netlink.ensure_rule(mark_rule(rule, table)));
        links.rules[rule] = table;
    }
    return ok();
}

Result<void> Mesh::Impl::remove_links(const MeshLinks& less) {
    for (const auto& [rule, table] : less.rules) {
        TRY(netlink.remove_rule(mark_rule(rule, table)));
        links.rules.erase(rule);
    }
    for (const auto& [route, hop] : less.routes) {
        TRY(tolerate_absent(netlink.remove_route(route_of(route, hop, link))));
        links.routes.erase(route);
    }
    for (const auto& [mac, node] : less.forwarding) {
        TRY(tolerate_absent(netlink.remove_forwarding({mac, node.bytes(), link})));
        links.forwarding.erase(mac);
    }
    for (const auto& [hop, mac] : less.neighbours) {
        TRY(tolerate_absent(netlink.remove_neighbour({hop.bytes(), mac, link})));
        links.neighbours.erase(hop);
    }
    return ok();
}

Result<std::size_t> Mesh::Impl::repair_links() {
    TRY_LET(actual, read_links());
    links = actual;
    const auto wanted = plan_mesh_links(plan, state, replies);
    const auto missing = mesh_links_missing(wanted, actual);
    const auto gone = mesh_links_gone(actual, wanted);
    TRY(add_links(missing));
    TRY(remove_links(gone));
    return size_of(missing) + size_of(gone);
}

// The tables.

Result<void> Mesh::Impl::load_tables(const MeshState& wanted) {
    TRY(nft.apply(render_mesh(plan, wanted, replies)));
    chains = mesh_chains(wanted);
    state = wanted;
    loaded = true;
    return ok();
}

Result<void> Mesh::Impl::change_tables(const MeshState& wanted) {
    if (!loaded) { return load_tables(wanted); }
    auto after = chains;
    const auto text = render_mesh_change(plan, {state, wanted}, replies, after);
    // Somebody changed our tables, when this fails: they are written anew.
    if (!text.empty() && !nft.apply(text)) { return load_tables(wanted); }
    chains = std::move(after);
    state = wanted;
    return ok();
}

Result<std::set<std::string>> Mesh::Impl::read_facts() {
    std::set<std::string> all;
    for (const auto& family : mesh_families(replies)) {
        const auto listing =
            nft.query("list table " + family + " " + plan.table, os::Nft::Form::Json);
        if (!listing) { continue; } // it is gone
        TRY_LET(facts, parse_mesh_facts(*listing));
        all.merge(facts);
    }
    return all;
}

Result<std::size_t> Mesh::Impl::repair_tables() {
    if (!loaded) { return std::size_t{0}; }
    TRY_LET(actual, read_facts());
    const auto wanted = mesh_facts(plan, state, replies, chains);
    std::vector<std::string> wrong;
    std::set_symmetric_difference(actual.begin(), actual.end(), wanted.begin(), wanted.end(),
                                  std::back_inserter(wrong));
    if (!wrong.empty()) { TRY(load_tables(MeshState(state))); }
    return wrong.size();
}

// Connections.

/// Each with its task: containers of this node, and tasks elsewhere by their address in the mesh.
std::map<Ip, Ip> Mesh::Impl::answering(const MeshState& of) const {
    std::map<Ip, Ip> tasks;
    for (const auto& [task, node] : of.remote) {
        tasks[task] = task;
        tasks[mesh_address6(plan, task)] = task;
    }
    for (const auto& [task, local] : of.local) {
        tasks[local.v4] = task;
        tasks[local.v6] = task;
    }
    tasks.erase(Ip{});
    return tasks;
}

/// A task that drains is still known, and keeps its connections.
void Mesh::Impl::note_departed(const MeshState& before) {
    departed.merge(answering(before));
    for (const auto& [ip, task] : answering(state)) { departed.erase(ip); }
}

/// Without this the packets of their clients would leave by the default route. Where it fails, the
/// next change tries again.
Result<void> Mesh::Impl::cut_off_departed() {
    ErrorList failures;
    for (auto each = departed.begin(); each != departed.end();) {
        auto done = cut_off(each->second, each->first);
        each = done ? departed.erase(each) : std::next(each);
        failures.add(std::move(done));
    }
    return failures.empty() ? ok() : Result<void>(failures.joined());
}

/// Clients that say nothing would not notice: those that entered here are made to.
Result<void> Mesh::Impl::cut_off(const Ip& task, const Ip& backend) {
    TRY_LET(connections, conntrack.answered_by(backend.bytes()));
    TRY(conntrack.forget_answered_by(backend.bytes()));
    const auto in_mesh = {task.bytes(), mesh_address6(plan, task).bytes()};
    std::erase_if(connections, [&](const os::TrackedConnection& connection) {
        return std::find(in_mesh.begin(), in_mesh.end(), connection.destination) != in_mesh.end();
    });
    return provoke_resets(netns, connections);
}

// The mesh itself.

Mesh::Mesh(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Mesh::Mesh(Mesh&&) noexcept = default;
Mesh& Mesh::operator=(Mesh&&) noexcept = default;
Mesh::~Mesh() = default;

Result<Mesh> Mesh::open(MeshPlan plan, MeshReplies replies) {
    TRY_LET(netns, os::current_netns());
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(nft, os::Nft::open());
    TRY_LET(conntrack, os::Conntrack::open());
    auto impl = std::make_unique<Impl>(std::move(plan), std::move(netns), std::move(netlink),
                                       std::move(nft), std::move(conntrack));
    TRY(impl->ensure_link());
    impl->replies = replies;
    if (replies == MeshReplies::Detect) {
        impl->replies = impl->can_rewrite() ? MeshReplies::Rewrite : MeshReplies::RulePerNode;
    }
    TRY_LET(left, impl->read_links());
    impl->links = std::move(left);
    return Mesh(std::move(impl));
}

const MeshPlan& Mesh::plan() const { return impl_->plan; }
const MeshState& Mesh::state() const { return impl_->state; }

Result<void> Mesh::apply(const MeshState& wanted) {
    TRY(impl_->ensure_parameters()); // the gateway may have come since
    const auto links = plan_mesh_links(impl_->plan, wanted, impl_->replies);
    TRY(impl_->add_links(mesh_links_missing(links, impl_->links)));
    const auto before = impl_->state;
    TRY(impl_->change_tables(wanted));
    impl_->note_departed(before);
    TRY(impl_->cut_off_departed());
    return impl_->remove_links(mesh_links_gone(impl_->links, links));
}

Result<std::size_t> Mesh::repair() {
    TRY_LET(link, impl_->ensure_link());
    TRY_LET(links, impl_->repair_links());
    TRY_LET(tables, impl_->repair_tables());
    return link + links + tables;
}

Result<void> Mesh::remove() {
    ErrorList failures;
    MeshLinks rules;
    rules.rules = impl_->links.rules;
    failures.add(impl_->remove_links(rules));
    failures.add(impl_->nft.apply(render_delete_mesh(impl_->plan)));
    auto found = impl_->netlink.find_link(impl_->plan.link);
    failures.add(found);
    if (found && *found) { failures.add(impl_->netlink.delete_link((*found)->index)); }
    if (failures.empty()) { return ok(); }
    return failures.joined();
}

} // namespace shoal::network
