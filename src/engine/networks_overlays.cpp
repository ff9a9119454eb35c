#include "engine/networks_overlays.h"

#include "base/network_options.h"
#include "base/text.h"
#include "net/pool.h"
#include "net/sleep.h"
#include "os/file.h"
#include "os/netlink.h"
#include "os/netns.h"
#include "os/sockets.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

namespace {

/// What VXLAN puts around a packet, with the outer headers.
constexpr int overhead_v4 = 50;
constexpr int overhead_v6 = 70;
constexpr int usual_mtu = 1500;
constexpr int least_mtu_v6 = 1280;
/// A node that has just joined is told within a moment what it is in the data path.
constexpr std::chrono::seconds join_patience{10};

std::string option_of(const Definition& network, std::string_view name) {
    const auto found = network.options.find(std::string(name));
    return found == network.options.end() ? std::string() : found->second;
}

/// Of the link that has the address. Blocking.
Result<int> mtu_at(Ip address) {
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(addresses, netlink.addresses());
    TRY_LET(links, netlink.links());
    for (const auto& each : addresses) {
        if (Ip::from_bytes(each.bytes) != address) { continue; }
        for (const auto& link : links) {
            if (link.index == each.link) { return link.mtu; }
        }
    }
    return usual_mtu;
}

OverlayEndpointPlan endpoint_plan(const EndpointState& endpoint) {
    OverlayEndpointPlan plan;
    plan.near_link = endpoint.host_link;
    plan.name = endpoint.interface;
    plan.mac = endpoint.mac;
    if (const auto ip = Ip::parse(endpoint.ipv4)) {
        plan.addresses.emplace_back(*ip, endpoint.ipv4_bits);
    }
    if (const auto ip = Ip::parse(endpoint.ipv6)) {
        plan.addresses.emplace_back(*ip, endpoint.ipv6_bits);
    }
    if (const auto options = parse_endpoint_options(endpoint.wish.driver_options)) {
        plan.sysctls = options->sysctls;
    }
    return plan;
}

} // namespace

int overlay_mtu(int underlay, Ip local) {
    return underlay - (local.is_v4() ? overhead_v4 : overhead_v6);
}

OverlayKeeper::OverlayKeeper(Networks::Impl& networks)
    : networks_(networks), guard_(networks), encryption_(networks, book_),
      mesh_(networks, book_, encryption_), applying_(networks.env.loop),
      joined_(networks.env.loop) {}
OverlayKeeper::~OverlayKeeper() = default;

std::string OverlayKeeper::directory() const { return networks_.settings.exec_root + "/overlays"; }

bool OverlayKeeper::knows(const NetworkId& network) const { return book_.page(network) != nullptr; }

bool OverlayKeeper::knows_here(const NetworkId& network, Ip address) const {
    const auto* page = book_.page(network);
    const auto* task = page == nullptr ? nullptr : page->task_at(address);
    return task != nullptr && self_ && task->node == self_->index;
}

std::vector<NetworkPeer> OverlayKeeper::peers(const NetworkId& network) const {
    std::vector<NetworkPeer> all;
    const auto* page = book_.page(network);
    if (page == nullptr) { return all; }
    const bool everywhere = page->network() != nullptr && page->network()->ingress;
    for (const auto& [index, node] : book_.nodes()) {
        if (everywhere || page->uses(index)) { all.push_back({node->id, node->address}); }
    }
    std::sort(all.begin(), all.end(),
              [](const NetworkPeer& a, const NetworkPeer& b) { return a.node < b.node; });
    return all;
}

// --- one network in the kernel ---

/// Whose turn it is, and that of a router which is still the network's.
net::Task<OverlayKeeper::Held> OverlayKeeper::hold(NetworkId id) {
    for (;;) {
        auto& known = routers_[id];
        if (!known) { known = std::make_shared<Router>(networks_.env.loop); }
        Held held;
        held.router = known;
        held.turn = co_await held.router->turn.acquire();
        const auto now = routers_.find(id);
        if (now != routers_.end() && now->second == held.router) { co_return held; }
    }
}

Result<OverlayPlan> OverlayKeeper::plan(const NetworkId& id) const {
    const auto found = networks_.networks.find(id);
    if (found == networks_.networks.end()) { return not_found("network", id.text()); }
    const auto& definition = found->second->definition;
    const auto* item = item_of(id);
    TRY(check_encryption(definition, item));
    OverlayPlan plan;
    plan.path = path(id);
    const auto vni = parse_number<std::uint32_t>(cut(option_of(definition, vni_option), ',').first);
    plan.vni = vni ? *vni : item != nullptr ? item->vni : 0;
    if (plan.vni == 0) { return internal("network " + definition.name + " has no VXLAN number"); }
    plan.port = self_->port;
    plan.local = self_->address;
    plan.self = self_->index;
    const auto asked = parse_number<int>(option_of(definition, mtu_option));
    plan.mtu = overlay_mtu(underlay_mtu_, self_->address);
    if (is_encrypted(definition, item)) { plan.mtu -= encryption_overhead; }
    if (asked && *asked > 0) { plan.mtu = *asked; }
    if (!asked && item != nullptr && item->mtu > 0) { plan.mtu = item->mtu; }
    for (const auto& pool : definition.pools) {
        const auto subnet = Subnet::parse(pool.subnet);
        const auto gateway = Ip::parse(cut(pool.gateway, '/').first);
        if (!subnet || !gateway) { continue; }
        plan.subnets.push_back(*subnet);
        plan.gateways.push_back(*gateway);
        if (gateway->is_v6()) { plan.mtu = std::max(plan.mtu, least_mtu_v6); }
    }
    return plan;
}

const OverlayNetwork* OverlayKeeper::item_of(const NetworkId& id) const {
    const auto* page = book_.page(id);
    return page == nullptr ? nullptr : page->network();
}

bool OverlayKeeper::is_encrypted_here(const NetworkId& id) const {
    const auto found = networks_.networks.find(id);
    return found != networks_.networks.end() &&
           is_encrypted(found->second->definition, item_of(id));
}

std::vector<OverlayKeeper::Again> OverlayKeeper::endpoints_of(const NetworkId& id,
                                                              const Router& router) const {
    std::vector<Again> all;
    for (const auto& [container, attached] : networks_.sandboxes) {
        for (const auto& endpoint : attached->info.endpoints) {
            const auto addresses = addresses_of(endpoint);
            const bool here = endpoint.network == id && !addresses.empty() &&
                              router.wanted->local.contains(addresses.front());
            auto netns = here ? attached->netns.duplicate() : Result<os::Fd>(os::Fd());
            if (!here || !netns) { continue; }
            all.push_back({std::move(*netns), endpoint_plan(endpoint)});
        }
    }
    return all;
}

namespace {

/// For a plan that is not the one of before: the containers' interfaces are made anew.
template <class List> Result<Overlay> make_again(const OverlayPlan& plan, const List& endpoints) {
    for (const auto& each : endpoints) { TRY(remove_interface(each.netns, each.plan.name)); }
    TRY(Overlay::remove(plan.path));
    TRY_LET(made, Overlay::open(plan));
    for (const auto& each : endpoints) { TRY(made.add_endpoint(each.netns, each.plan)); }
    return std::move(made);
}

} // namespace

/// A network that was removed lingers, and somebody may have chosen its number for another.
net::Task<void> OverlayKeeper::give_way(std::uint32_t vni) {
    std::vector<NetworkId> idle;
    for (const auto& [id, router] : routers_) {
        const bool same = router->overlay && router->overlay->plan().vni == vni;
        if (same && router->wanted->local.empty()) { idle.push_back(id); }
    }
    for (const auto& id : idle) {
        const auto removed = co_await remove_router(id, Removal::Idle);
        if (!removed) { spdlog::warn("network {}: {}", id.text(), removed.error().message); }
    }
}

net::Task<Result<void>> OverlayKeeper::open(NetworkId id, RouterPtr router) {
    if (router->overlay) { co_return ok(); }
    CO_TRY_LET(wanted, plan(id));
    const auto self = *self_;
    co_await give_way(wanted.vni);
    CO_TRY(co_await sync_guard());
    if (is_encrypted_here(id)) { CO_TRY(co_await encryption_.add(self, wanted.vni)); }
    auto job = [wanted, endpoints = endpoints_of(id, *router)]() -> Result<Overlay> {
        auto opened = Overlay::open(wanted);
        if (opened || opened.error().code != Errc::Conflict) { return opened; }
        return make_again(wanted, endpoints);
    };
    CO_TRY_LET(opened, co_await networks_.env.pool.run(std::move(job)));
    router->overlay = std::make_shared<Overlay>(std::move(opened));
    if (auto* page = book_.page(id)) { page->touch_all(); }
    co_return ok();
}

// --- from the book to what the kernel shall have ---

void OverlayKeeper::take_over_address(const OverlayBook::Page& page, Ip ip, Router& router) {
    auto& wanted = *router.wanted;
    const auto* task = page.task_at(ip);
    const bool elsewhere = task != nullptr && self_ && task->node != self_->index;
    if (elsewhere && !wanted.local.contains(ip)) {
        wanted.remote[ip] = task->node;
        router.going.remote.erase(ip);
    } else if (const auto known = wanted.remote.find(ip); known != wanted.remote.end()) {
        router.going.remote.insert(*known);
        wanted.remote.erase(known);
    }
}

void OverlayKeeper::take_over_node(const OverlayBook::Page& page, NodeIndex node, Router& router) {
    auto& wanted = *router.wanted;
    const auto known = book_.nodes().find(node);
    const bool other = self_ && node != self_->index;
    if (other && known != book_.nodes().end() && page.uses(node)) {
        wanted.nodes[node] = known->second->address;
        router.going.nodes.erase(node);
    } else if (const auto had = wanted.nodes.find(node); had != wanted.nodes.end()) {
        router.going.nodes.insert(*had);
        wanted.nodes.erase(had);
    }
}

void OverlayKeeper::take_over_service(const OverlayBook::Page& page, Ip ip, Router& router) {
    auto& wanted = *router.wanted;
    const auto* service = page.service_at(ip);
    if (service == nullptr) {
        wanted.services.erase(ip);
        return;
    }
    const auto is_here = [&wanted](Ip address) { return wanted.local.contains(address); };
    Balance balance;
    balance.backends =
        backends_of(page, *service, ip.family(), self_ ? self_->index : NodeIndex(0), is_here);
    balance.by_client = service->balance == OverlayService::Balance::Client;
    wanted.services[ip] = std::move(balance);
}

void OverlayKeeper::take_over(OverlayBook::Page& page, Router& router) {
    for (const auto& ip : std::exchange(page.touched.addresses, {})) {
        take_over_address(page, ip, router);
    }
    for (const auto node : std::exchange(page.touched.nodes, {})) {
        take_over_node(page, node, router);
    }
    for (const auto& ip : std::exchange(page.touched.virtual_addresses, {})) {
        take_over_service(page, ip, router);
    }
}

namespace {

/// What goes is taken out of the balancing first, then connections to it end, then it is out of
/// reach.
template <class Going>
Result<void> bring_in_line(Overlay& overlay, const OverlayState& wanted, const Going& going) {
    if (going.empty()) { return overlay.apply(wanted); }
    OverlayState between = wanted;
    between.remote.insert(going.remote.begin(), going.remote.end());
    between.nodes.insert(going.nodes.begin(), going.nodes.end());
    between.local.insert(going.local.begin(), going.local.end());
    TRY(overlay.apply(between));
    ErrorList errors;
    for (const auto& [ip, node] : going.remote) { errors.add(overlay.cut_off(ip)); }
    for (const auto& [ip, link] : going.local) { errors.add(overlay.cut_off(ip)); }
    errors.add(overlay.apply(wanted));
    return errors.empty() ? ok() : Result<void>(errors.joined());
}

} // namespace

net::Task<Result<void>> OverlayKeeper::sync_kernel(NetworkId id, RouterPtr router) {
    if (auto* page = book_.page(id)) { take_over(*page, *router); }
    if (!router->overlay) { co_return ok(); }
    auto job = [overlay = router->overlay, wanted = router->wanted, going = router->going] {
        return bring_in_line(*overlay, *wanted, going);
    };
    CO_TRY(co_await networks_.env.pool.run(std::move(job)));
    router->going = {};
    co_return ok();
}

net::Task<Result<void>> OverlayKeeper::sync(NetworkId id) {
    auto* page = book_.page(id);
    OverlayBook::Touched names;
    names.network = std::exchange(page->touched.network, false);
    names.services = std::exchange(page->touched.services, {});
    names.tasks = std::exchange(page->touched.tasks, {});
    Result<void> synced;
    if (routers_.contains(id)) {
        auto held = co_await hold(id);
        auto opened = co_await open_if_joined(id, held.router);
        synced = std::move(opened);
        if (synced) { synced = co_await sync_kernel(id, held.router); }
    } else {
        page->touched = {}; // all of it is looked at when the first container comes
    }
    sync_names(id, names);
    const bool named = page->network() != nullptr;
    co_return std::move(synced).with("network " + (named ? page->network()->name : id.text()));
}

// --- names ---

void OverlayKeeper::sync_names(const NetworkId& id, const OverlayBook::Touched& touched) {
    auto& names = networks_.dns.names();
    const auto* page = book_.page(id);
    if (touched.network && page->network() != nullptr) {
        names.add_network(id, page->network()->name);
    }
    for (const auto& each : touched.services) {
        names.remove(id, service_name_key(each));
        names.remove(id, tasks_name_key(each));
        const auto* service = page->service(each);
        if (service == nullptr) { continue; }
        for (const auto& named : names_of(*page, *service)) { names.add(id, named); }
    }
    for (const auto& each : touched.tasks) {
        names.remove(id, task_name_key(each));
        if (const auto* task = page->task(each)) { names.add(id, names_of(*task)); }
    }
}

void OverlayKeeper::forget_names(const NetworkId& id) {
    if (!networks_.networks.contains(id)) { networks_.dns.names().remove_network(id); }
}

// --- what node/ asks for ---

net::Task<Result<void>> OverlayKeeper::open_if_joined(NetworkId id, RouterPtr router) {
    const bool wanted = self_ && !router->wanted->local.empty();
    if (!wanted) { co_return ok(); }
    co_return co_await open(id, router);
}

net::Task<Result<void>> OverlayKeeper::sync_mesh() {
    if (!self_) { co_return ok(); }
    CO_TRY(co_await mesh_.sync(*self_, underlay_mtu_));
    if (!mesh_.is_open()) { co_return co_await sync_guard(); } // perhaps it was the last link
    co_return ok();
}

/// As long as there may be a link that takes packets, and before it.
net::Task<Result<void>> OverlayKeeper::sync_guard() {
    std::optional<VxlanGuard> wanted;
    if (self_ && (!routers_.empty() || !book_.ingress().empty() || mesh_.is_open())) {
        wanted.emplace().port = self_->port;
        wanted->senders = book_.addresses_of_others(self_->index);
    }
    const bool known = told_ || !wanted;
    const auto senders = known ? GuardKeeper::Senders::Known : GuardKeeper::Senders::Unknown;
    co_return co_await guard_.sync(std::move(wanted), senders);
}

net::Task<Result<void>> OverlayKeeper::open_all() {
    ErrorList errors;
    std::vector<NetworkId> all;
    for (const auto& [id, router] : routers_) { all.push_back(id); }
    for (const auto& id : all) {
        auto held = co_await hold(id);
        auto opened = co_await open_if_joined(id, held.router);
        if (opened) { opened = co_await sync_kernel(id, held.router); }
        errors.add(std::move(opened));
    }
    co_return errors.empty() ? ok() : Result<void>(errors.joined());
}

/// Opened again by the next open_all().
net::Task<void> OverlayKeeper::close_all() {
    std::vector<NetworkId> all;
    for (const auto& [id, router] : routers_) { all.push_back(id); }
    for (const auto& id : all) {
        auto held = co_await hold(id);
        held.router->overlay.reset();
    }
}

net::Task<Result<void>> OverlayKeeper::open_all_and_mesh() {
    auto guarded = co_await sync_guard();
    auto opened = co_await open_all();
    auto meshed = co_await sync_mesh();
    ErrorList errors;
    errors.add(std::move(guarded));
    errors.add(std::move(opened));
    errors.add(std::move(meshed));
    co_return errors.empty() ? ok() : Result<void>(errors.joined());
}

net::Task<Result<void>> OverlayKeeper::join(OverlaySelf self) {
    auto turn = co_await applying_.acquire();
    // It is said before each change. What failed is tried again by apply() and the regular check.
    if (self_ && *self_ == self) { co_return ok(); }
    co_await encryption_.look();
    auto look = [address = self.address] { return mtu_at(address); };
    CO_TRY_LET(mtu, co_await networks_.env.pool.run(std::move(look)));
    co_await close_all(); // nothing is done for the former place any more
    link_mtu_ = mtu;
    underlay_mtu_ = narrowest();
    self_ = self;
    joined_.set();
    co_return co_await open_all_and_mesh();
}

net::Task<Result<void>> OverlayKeeper::apply(std::vector<OverlayChange> changes, bool whole) {
    auto turn = co_await applying_.acquire();
    if (whole) {
        std::set<std::string> keys;
        for (const auto& change : changes) {
            if (change.item) { keys.insert(change.key); }
        }
        book_.keep_only(keys);
    }
    for (auto& change : changes) { book_.change(std::move(change)); }
    told_ = true;
    const auto ingress = book_.ingress();
    ErrorList errors;
    if (self_) {
        auto guarded = co_await sync_guard();
        errors.add(std::move(guarded));
        auto encrypted = co_await encryption_.sync(*self_);
        errors.add(std::move(encrypted));
    }
    for (const auto& id : book_.touched()) {
        if (id == ingress) { continue; }
        auto synced = co_await sync(id);
        errors.add(std::move(synced));
    }
    auto meshed = co_await sync_mesh();
    errors.add(std::move(meshed).with("mesh"));
    for (const auto& id : book_.drop_empty()) { forget_names(id); }
    if (unknown_path({})) { networks_.scope.spawn(look_at_paths()); }
    co_return errors.empty() ? ok() : Result<void>(errors.joined());
}

net::Task<Result<void>> OverlayKeeper::leave() {
    auto turn = co_await applying_.acquire();
    self_.reset();
    joined_.clear();
    book_.clear();
    told_ = false;
    ErrorList errors;
    std::vector<NetworkId> all;
    for (const auto& [id, router] : routers_) { all.push_back(id); }
    for (const auto& id : all) {
        auto removed = co_await remove_router(id, Removal::Always);
        errors.add(std::move(removed));
    }
    for (const auto& id : book_.touched()) {
        book_.page(id)->touched = {};
        forget_names(id);
    }
    (void)book_.drop_empty();
    auto unmeshed = co_await mesh_.remove();
    errors.add(std::move(unmeshed));
    auto clear = co_await encryption_.clear();
    errors.add(std::move(clear));
    auto unguarded = co_await sync_guard();
    errors.add(std::move(unguarded));
    co_return errors.empty() ? ok() : Result<void>(errors.joined());
}

// --- containers ---

net::Task<Result<void>> OverlayKeeper::wait_for_self() {
    if (self_) { co_return ok(); }
    const net::Until until(Deadline::in(join_patience), networks_.scope.cancel());
    (void)co_await joined_.wait(until);
    if (self_) { co_return ok(); }
    co_return Error{Errc::Unavailable,
                    "this node has not been told its place in the swarm's networks yet"};
}

net::Task<Result<void>> OverlayKeeper::attach(Networks::Impl::AttachedPtr attached,
                                              EndpointState endpoint) {
    CO_TRY(co_await wait_for_self());
    auto held = co_await hold(endpoint.network);
    auto& router = *held.router;
    auto opened = co_await open(endpoint.network, held.router);
    if (!opened && router.wanted->local.empty()) { router.idle_since = networks_.env.loop.now(); }
    CO_TRY(std::move(opened));
    CO_TRY_LET(netns, attached->netns.duplicate());
    auto plan = endpoint_plan(endpoint);
    plan.sysctls = networks_.interface_sysctls(*attached, endpoint);
    auto job = [overlay = router.overlay, fd = std::move(netns), plan = std::move(plan)] {
        return overlay->add_endpoint(fd, plan);
    };
    CO_TRY(co_await networks_.env.pool.run(std::move(job)));
    auto* page = book_.page(endpoint.network);
    for (const auto& ip : addresses_of(endpoint)) {
        router.wanted->local[ip] = endpoint.host_link;
        router.wanted->remote.erase(ip);
        router.going.local.erase(ip);
        router.going.remote.erase(ip);
        if (page != nullptr) { page->touch_address(ip); }
    }
    co_return co_await sync_kernel(endpoint.network, held.router);
}

net::Task<Result<void>> OverlayKeeper::detach(EndpointState endpoint) {
    if (!routers_.contains(endpoint.network)) { co_return ok(); }
    auto held = co_await hold(endpoint.network);
    auto& router = *held.router;
    auto* page = book_.page(endpoint.network);
    for (const auto& ip : addresses_of(endpoint)) {
        const auto known = router.wanted->local.find(ip);
        if (known == router.wanted->local.end() || known->second != endpoint.host_link) {
            continue; // it never was attached
        }
        router.going.local.insert(*known);
        router.wanted->local.erase(known);
        if (page != nullptr) { page->touch_address(ip); }
    }
    if (router.wanted->local.empty()) { router.idle_since = networks_.env.loop.now(); }
    co_return co_await sync_kernel(endpoint.network, held.router);
}

void OverlayKeeper::adopt(const EndpointState& endpoint) {
    auto& router = routers_[endpoint.network];
    if (!router) { router = std::make_shared<Router>(networks_.env.loop); }
    for (const auto& ip : addresses_of(endpoint)) {
        router->wanted->local[ip] = endpoint.host_link;
    }
}

net::Task<Result<std::size_t>> OverlayKeeper::open_connections(ContainerId container) {
    const auto attached = networks_.attached(container);
    if (!attached || !attached->netns) { co_return std::size_t(0); }
    CO_TRY_LET(netns, attached->netns.duplicate());
    auto job = [fd = std::move(netns)] { return os::count_inbound_connections(fd); };
    co_return co_await networks_.env.pool.run(std::move(job));
}

net::Task<Result<std::set<std::uint16_t>>> OverlayKeeper::listening_ports(ContainerId container) {
    const auto attached = networks_.attached(container);
    if (!attached || !attached->netns) { co_return not_found("network of", container.text()); }
    CO_TRY_LET(netns, attached->netns.duplicate());
    auto job = [fd = std::move(netns)] { return os::listening_ports(fd); };
    co_return co_await networks_.env.pool.run(std::move(job));
}

net::Task<Result<void>> OverlayKeeper::containers_changed() {
    auto turn = co_await applying_.acquire();
    co_return co_await sync_mesh();
}

} // namespace shoal::engine
