#include "network/overlay.h"

#include "network/overlay_links.h"
#include "network/overlay_reset.h"
#include "network/overlay_rules.h"
#include "os/conntrack.h"
#include "os/netns.h"
#include "os/nft.h"
#include "os/sysctl.h"

#include <optional>

#include <netinet/in.h>

namespace shoal::network {

struct Overlay::Impl {
    OverlayPlan plan;
    os::Fd netns;
    OverlayLinks links;
    os::Nft nft;
    std::optional<os::Conntrack> conntrack; ///< once it is needed
    OverlayState state;
    OverlayBalance balance;
    /// The rules are what `balance` says: this is the generation that we made last. None: they come
    /// from a life before, or a transaction of ours failed or met one of somebody else.
    std::optional<std::uint32_t> generation;

    Result<void> transact(const std::string& text);
    Result<void> apply_nodes(const OverlayState& wanted);
    Result<void> apply_addresses(const OverlayState& wanted);
    Result<void> apply_services(const OverlayState& wanted);
    Result<void> withdraw(const OverlayState& wanted);
    Result<std::size_t> repair_rules();
};

Overlay::Overlay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Overlay::Overlay(Overlay&&) noexcept = default;
Overlay& Overlay::operator=(Overlay&&) noexcept = default;
Overlay::~Overlay() = default;
const OverlayPlan& Overlay::plan() const { return impl_->plan; }
const OverlayState& Overlay::state() const { return impl_->state; }

namespace {

Result<os::Fd> ensure_netns(const std::string& path) {
    if (os::is_netns(path)) { return os::open_netns(path); }
    return os::create_netns(path, {});
}

Result<os::Nft> open_nft(const os::Fd& netns) {
    std::optional<os::Nft> made;
    TRY(os::run_in_netns(netns, [&]() -> Result<void> {
        TRY_LET(nft, os::Nft::open());
        made.emplace(std::move(nft));
        return ok();
    }));
    return std::move(*made);
}

Result<bool> has_table(os::Nft& nft) {
    TRY_LET(tables, nft.query("list tables inet", os::Nft::Form::Text));
    return tables.find("table inet " + std::string(overlay_table)) != std::string::npos;
}

/// They are there as soon as the rules ask for connection tracking.
Result<void> tune_tracking() {
    // What belongs to no connection is not taken up in the middle: after a backend has gone, and
    // the kernel was told to forget its connections, their packets reach nobody else and are reset.
    TRY(os::ensure_sysctl("net.netfilter.nf_conntrack_tcp_loose", "0"));
    // Otherwise a segment that the kernel finds out of place would go untranslated, and be reset.
    return os::ensure_sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", "1");
}

} // namespace

Result<Overlay> Overlay::open(OverlayPlan plan) {
    const bool there = os::is_netns(plan.path);
    const auto path = plan.path;
    auto make = [&]() -> Result<Overlay> {
        TRY_LET(netns, ensure_netns(plan.path));
        TRY_LET(links, OverlayLinks::open(plan, netns));
        TRY_LET(nft, open_nft(netns));
        auto impl = std::make_unique<Impl>(Impl{
            std::move(plan), std::move(netns), std::move(links), std::move(nft), {}, {}, {}, {}});
        TRY_LET(rules_there, has_table(impl->nft));
        if (!rules_there) { TRY(impl->transact(render_overlay_table({}))); }
        TRY(os::run_in_netns(impl->netns, tune_tracking));
        TRY_LET(found, impl->links.look());
        impl->state = std::move(found);
        return Overlay(std::move(impl));
    };
    auto made = make();
    if (!made && !there) { (void)remove(path); }
    return std::move(made).with("open the overlay at " + path);
}

Result<void> Overlay::Impl::transact(const std::string& text) {
    TRY_LET(before, nft.generation());
    const bool known = generation == before;
    generation.reset();
    TRY(nft.apply(text));
    TRY_LET(after, nft.generation());
    const bool whole = text.starts_with("table");
    if ((known || whole) && after == before + 1) { generation = after; }
    return ok();
}

Result<void> Overlay::apply(const OverlayState& wanted) {
    TRY(impl_->apply_nodes(wanted));
    TRY(impl_->apply_addresses(wanted));
    TRY(impl_->apply_services(wanted));
    return impl_->withdraw(wanted);
}

Result<void> Overlay::Impl::apply_nodes(const OverlayState& wanted) {
    for (const auto& [node, address] : wanted.nodes) {
        const auto found = state.nodes.find(node);
        if (found != state.nodes.end() && found->second == address) { continue; }
        TRY(links.set_node(node, address).with("node " + std::to_string(node)));
        state.nodes[node] = address;
    }
    return ok();
}

Result<void> Overlay::Impl::apply_addresses(const OverlayState& wanted) {
    for (const auto& [address, node] : wanted.remote) {
        const auto found = state.remote.find(address);
        if (found != state.remote.end() && found->second == node) { continue; }
        TRY(links.set_remote(address, node));
        state.remote[address] = node;
        state.local.erase(address);
    }
    for (const auto& [address, link] : wanted.local) {
        const auto found = state.local.find(address);
        if (found != state.local.end() && found->second == link) { continue; }
        TRY(links.set_local(address, link));
        state.local[address] = link;
        state.remote.erase(address);
    }
    return ok();
}

Result<void> Overlay::Impl::apply_services(const OverlayState& wanted) {
    if (!generation) {
        // Nobody knows what is there: all of it in one transaction.
        auto fresh = plan_overlay_rules({}, wanted.services).after;
        TRY(transact(render_overlay_table(fresh)));
        balance = std::move(fresh);
    } else {
        auto change = plan_overlay_rules(std::move(balance), wanted.services);
        auto done = change.text.empty() ? ok() : transact(change.text);
        balance = done ? std::move(change.after) : plan_overlay_rules({}, state.services).after;
        TRY(done);
    }
    state.services = wanted.services;
    return ok();
}

namespace {
/// The keys of `present` that are not in any of the others.
template <class Present, class... Others>
auto surplus(const Present& present, const Others&... others) {
    std::vector<typename Present::key_type> keys;
    for (const auto& [key, value] : present) {
        if (!(others.contains(key) || ...)) { keys.push_back(key); }
    }
    return keys;
}
} // namespace

Result<void> Overlay::Impl::withdraw(const OverlayState& wanted) {
    for (const auto& address : surplus(state.remote, wanted.remote, wanted.local)) {
        TRY(links.drop_address(address));
        state.remote.erase(address);
    }
    for (const auto& address : surplus(state.local, wanted.remote, wanted.local)) {
        TRY(links.drop_address(address));
        state.local.erase(address);
    }
    for (const auto node : surplus(state.nodes, wanted.nodes)) {
        TRY(links.drop_node(node));
        state.nodes.erase(node);
    }
    return ok();
}

Result<std::size_t> Overlay::repair() {
    TRY_LET(links, impl_->links.repair(impl_->state));
    TRY_LET(rules, impl_->repair_rules());
    return links + rules;
}

/// Unless somebody made a transaction in this namespace, everything is as we left it.
Result<std::size_t> Overlay::Impl::repair_rules() {
    TRY_LET(now, nft.generation());
    if (generation == now) { return std::size_t{0}; }
    if (!generation && balance.services.empty() && balance.chains.empty()) {
        return std::size_t{0}; // of a life before, until the first apply()
    }
    const auto listing = "list table inet " + std::string(overlay_table);
    const auto before = nft.query(listing, os::Nft::Form::Text);
    TRY(transact(render_overlay_table(balance)));
    TRY_LET(after, nft.query(listing, os::Nft::Form::Text));
    return count_listing_differences(before ? *before : std::string(), after);
}

Result<void> Overlay::cut_off(Ip backend) {
    if (!impl_->conntrack) {
        TRY_LET(opened, os::Conntrack::open_in(impl_->netns));
        impl_->conntrack.emplace(std::move(opened));
    }
    TRY_LET(connections, impl_->conntrack->answered_by(backend.bytes()));
    std::erase_if(connections, [](const os::TrackedConnection& connection) {
        return connection.destination == connection.answers;
    });
    TRY(impl_->conntrack->forget_answered_by(backend.bytes()));
    return provoke_resets(impl_->netns, connections);
}

Result<void> Overlay::add_endpoint(const os::Fd& netns, const OverlayEndpointPlan& plan) {
    TRY(impl_->links.add_endpoint(netns, plan).with("add " + plan.near_link));
    for (const auto& [address, link] : impl_->state.local) {
        if (link == plan.near_link) { TRY(impl_->links.set_local(address, link)); }
    }
    return ok();
}

/// The VXLAN link goes first, and at once: the kernel takes its time with a namespace, and the
/// network may be made again before.
Result<void> Overlay::remove(const std::string& path) {
    if (os::is_netns(path)) {
        TRY_LET(netns, os::open_netns(path));
        TRY_LET(inside, os::Netlink::open_in(netns));
        TRY_LET(link, inside.find_link(std::string(overlay_link)));
        if (link) { TRY(inside.delete_link(link->index)); }
    }
    return os::remove_netns(path);
}

} // namespace shoal::network
