#include "engine/networks.h"

#include "base/text.h"
#include "base/time.h"
#include "engine/events.h"
#include "engine/networks_impl.h"
#include "engine/networks_overlays.h"
#include "engine/store.h"
#include "net/pool.h"

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

namespace {

constexpr std::string_view kind = "network";
constexpr std::string_view not_a_manager =
    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to "
    "swarm and try again.";

Error network_not_found(std::string_view ref) {
    return {Errc::NotFound, "network " + std::string(ref) + " not found"};
}

bool is_driver(const std::string& driver) {
    return driver == "bridge" || driver == "macvlan" || driver == "ipvlan";
}

Result<void> check_driver(const Definition& wish) {
    if (wish.driver == "host" || wish.driver == "null" || wish.driver == "none") {
        return Error{Errc::Forbidden,
                     "only one instance of \"" + wish.driver + "\" network is allowed"};
    }
    if (wish.driver == "overlay" || wish.ingress || wish.scope == "swarm" ||
        wish.scope == "global") {
        return Error{Errc::Forbidden, std::string(not_a_manager)};
    }
    if (!is_driver(wish.driver)) {
        return Error{Errc::NotFound, "plugin \"" + wish.driver + "\" not found"};
    }
    if (!wish.scope.empty() && wish.scope != "local") {
        return invalid("invalid network scope " + go_quote(wish.scope));
    }
    return ok();
}

Result<void> check_ipam(const Definition& wish) {
    if (wish.ipam_driver != "default" && !wish.ipam_driver.empty()) {
        return Error{Errc::NotFound, "plugin \"" + wish.ipam_driver + "\" not found"};
    }
    if (!wish.ipam_options.empty()) {
        return invalid("unknown option " + go_quote(wish.ipam_options.begin()->first) +
                       " for the default IPAM driver");
    }
    if (!wish.enable_ipv4 && !wish.enable_ipv6) { return invalid("IPv4 or IPv6 must be enabled"); }
    return check_pools(wish.pools, wish.enable_ipv6);
}

NetworkMember member_of(const Networks::Impl::Attached& attached, const EndpointState& endpoint) {
    const auto address = [](const std::string& ip, int bits) {
        return ip.empty() ? std::string() : ip + "/" + std::to_string(bits);
    };
    return {attached.id,
            attached.info.name,
            endpoint.endpoint,
            endpoint.mac,
            address(endpoint.ipv4, endpoint.ipv4_bits),
            address(endpoint.ipv6, endpoint.ipv6_bits)};
}

} // namespace

Networks::Impl::Impl(Env& shared, network::Settings given)
    : env(shared), settings(std::move(given)), table(table_name(settings.instance)),
      dns(shared.loop, shared.random), firewall_turn(shared.loop), definition_turn(shared.loop),
      scope(shared.loop) {
    if (settings.pools.empty()) { settings.pools = docker_address_pools(); }
    overlays = std::make_unique<OverlayKeeper>(*this);
}
Networks::Impl::~Impl() = default;

bool Networks::Impl::Network::is_predefined() const {
    return definition.name == "bridge" || definition.name == "host" || definition.name == "none";
}

Result<Networks::Impl::NetworkPtr> Networks::Impl::find(std::string_view ref) const {
    std::vector<NetworkPtr> by_prefix;
    NetworkPtr by_name;
    for (const auto& [id, network] : networks) {
        if (id.text() == ref) { return network; }
        // One of the swarm that was removed is here for some seconds yet, and may have a successor.
        const bool newer = !by_name || network->used_at > by_name->used_at;
        if (network->definition.name == ref && newer) { by_name = network; }
        if (!ref.empty() && id.text().starts_with(ref)) { by_prefix.push_back(network); }
    }
    if (by_name) { return by_name; }
    if (by_prefix.size() == 1) { return by_prefix.front(); }
    if (by_prefix.size() > 1) {
        return invalid("network " + std::string(ref) + " is ambiguous (" +
                       std::to_string(by_prefix.size()) + " matches found based on ID prefix)");
    }
    return network_not_found(ref);
}

NetworkView Networks::Impl::view(const Network& network) const {
    NetworkView view{network.definition, {}, {}};
    if (network.is_overlay()) { view.peers = overlays->peers(network.definition.id); }
    const std::set<ContainerId> ids(network.users.begin(), network.users.end());
    for (const auto& id : ids) {
        const auto attached = this->attached(id);
        if (!attached) { continue; }
        for (const auto& endpoint : attached->info.endpoints) {
            if (endpoint.network == network.definition.id) {
                view.members.push_back(member_of(*attached, endpoint));
            }
        }
    }
    return view;
}

void Networks::Impl::publish(const Network& network, const std::string& action,
                             const std::string& container) const {
    Event event;
    event.type = "network";
    event.action = action;
    event.id = network.definition.id.text();
    event.attributes = {{"name", network.definition.name}, {"type", network.definition.driver}};
    if (!container.empty()) { event.attributes["container"] = container; }
    env.events.publish(std::move(event));
}

Result<void> Networks::Impl::save(const Network& network) const {
    return env.store.put(kind, network.definition.id.text(), codec::print(network.definition));
}

Result<void> Networks::Impl::load_definitions() {
    TRY_LET(documents, env.store.load_all(kind));
    for (const auto& [id, document] : documents) {
        TRY_LET(definition,
                codec::parse<Definition>(document, codec::Unknown::Ignore).with("network " + id));
        TRY_LET(network, make_network(std::move(definition)));
        dns.names().add_network(network->definition.id, network->definition.name);
        networks[network->definition.id] = network;
    }
    return ok();
}

Result<Networks::Impl::NetworkPtr> Networks::Impl::make_network(Definition definition) const {
    auto network = std::make_shared<Network>();
    network->definition = std::move(definition);
    const auto& made = network->definition;
    if (made.driver == "bridge") {
        TRY_LET(options, parse_bridge_options(made.options, made.internal));
        network->bridge = std::move(options);
        network->link = bridge_link_name(made, network->bridge);
    } else if (made.driver == "macvlan" || made.driver == "ipvlan") {
        TRY_LET(options, parse_vlan_options(made.driver, made.options));
        network->vlan = std::move(options);
        network->link =
            network->vlan.parent.empty() ? "dm-" + made.id.short_text() : network->vlan.parent;
    }
    network->addresses = Addresses(made.pools);
    return network;
}

AddressPlan Networks::Impl::address_plan(const HostFacts& host, const NetworkId& except) const {
    AddressPlan plan;
    plan.pools = settings.pools;
    plan.avoid = host.routes;
    plan.ula = ula_of(settings.exec_root + settings.instance);
    for (const auto& [id, network] : networks) {
        if (id == except || network->definition.config_only) {
            continue;
        } // a template takes no addresses
        for (const auto& pool : network->definition.pools) {
            if (const auto subnet = Subnet::parse(pool.subnet)) {
                plan.networks.push_back(*subnet);
            }
        }
    }
    return plan;
}

Result<void> Networks::Impl::check_new(const Definition& wish) const {
    TRY(check_network_name(wish.name));
    const bool predefined = wish.name == "bridge" || wish.name == "host" || wish.name == "none";
    if (predefined || wish.name == "default" || wish.name == "container") {
        return Error{Errc::Forbidden,
                     "operation is not permitted on predefined " + wish.name + " network"};
    }
    for (const auto& [id, network] : networks) {
        if (network->definition.name == wish.name) {
            return conflict("network with name " + wish.name + " already exists");
        }
    }
    if (wish.config_only && !wish.config_from.empty()) {
        return invalid("a configuration network cannot depend on another configuration network");
    }
    TRY(check_driver(wish));
    return check_ipam(wish);
}

Result<void> Networks::Impl::inherit_config(Definition& wish) const {
    if (wish.config_from.empty()) { return ok(); }
    TRY_LET(source, find(wish.config_from));
    const auto& config = source->definition;
    if (!config.config_only) {
        return Error{Errc::Forbidden,
                     "network " + go_quote(config.name) + " is not a configuration network"};
    }
    if (!wish.pools.empty() || !wish.options.empty() || !wish.ipam_options.empty()) {
        return Error{
            Errc::Forbidden,
            "user specified configurations are not supported if the network depends on a configuration network"};
    }
    wish.pools = config.pools;
    wish.options = config.options;
    wish.enable_ipv4 = config.enable_ipv4;
    wish.enable_ipv6 = config.enable_ipv6;
    wish.internal = config.internal;
    for (const auto& [label, value] : config.labels) { wish.labels.try_emplace(label, value); }
    return ok();
}

/// Two networks on one bridge would hand out each other's addresses.
Result<void> Networks::Impl::refuse_shared_link(const Network& network) const {
    for (const auto& [id, other] : networks) {
        if (other->link.empty() || other->link != network.link || other->definition.config_only) {
            continue;
        }
        if (network.is_bridge()) {
            return Error{Errc::Forbidden, "bridge name " + network.link + " is used by network " +
                                              other->definition.name};
        }
        return Error{Errc::Forbidden, "network " + other->definition.name +
                                          " is already using parent interface " + network.link};
    }
    return ok();
}

BridgePlan Networks::Impl::bridge_plan(const Network& network) const {
    BridgePlan plan;
    const auto& definition = network.definition;
    plan.link = network.link;
    plan.make = definition.link_made;
    plan.mtu = network.bridge.mtu;
    plan.ipv6 = definition.enable_ipv6;
    plan.localnet = settings.firewall;
    for (const auto& pool : definition.pools) {
        const auto subnet = Subnet::parse(pool.subnet);
        const auto gateway = Ip::parse(pool.gateway);
        if (!subnet || !gateway) { continue; }
        const bool v4 = gateway->is_v4();
        const auto mode = v4 ? network.bridge.gateway_v4 : network.bridge.gateway_v6;
        if (mode == GatewayMode::Isolated || (v4 && network.bridge.inhibit_ipv4)) { continue; }
        plan.addresses.emplace_back(*gateway, subnet->bits());
    }
    return plan;
}

net::Task<Result<void>> Networks::Impl::ensure_links(NetworkPtr network) {
    if (network->definition.config_only) { co_return ok(); }
    if (network->is_bridge()) {
        auto job = [plan = bridge_plan(*network)] { return ensure_bridge(plan); };
        CO_TRY(co_await env.pool.run(std::move(job)));
        CO_TRY(co_await add_bridge_rules(network));
    } else if (is_driver(network->definition.driver)) {
        auto job = [parent = network->link,
                    dummy = network->vlan.parent.empty()]() -> Result<bool> {
            if (!dummy) { return ensure_parent(parent); }
            auto made = ensure_dummy_parent(parent);
            if (made) { return true; }
            if (made.error().code != Errc::Unsupported) { return std::move(made).error(); }
            return unsupported(
                "a network without a parent interface needs a dummy link, which this kernel does not have: "
                "give one with -o parent=");
        };
        CO_TRY_LET(made, co_await env.pool.run(std::move(job)));
        network->definition.link_made = network->definition.link_made && made;
    }
    co_return ok();
}

net::Task<Result<CreatedNetwork>> Networks::Impl::create(Definition wish) {
    auto turn = co_await definition_turn.acquire();
    if (wish.driver.empty()) { wish.driver = "bridge"; }
    if (wish.ipam_driver.empty()) { wish.ipam_driver = "default"; }
    CO_TRY(check_new(wish));
    CO_TRY(inherit_config(wish));
    wish.id = NetworkId::fresh(env.random);
    wish.created = env.clock.now();
    wish.scope = "local";
    wish.pools_by_user = std::any_of(wish.pools.begin(), wish.pools.end(),
                                     [](const Pool& p) { return !p.subnet.empty(); });
    if (wish.driver != "bridge" && !wish.options.contains("parent") && !wish.config_only) {
        wish.internal = true;
    }
    if (wish.config_only) {
        auto network = std::make_shared<Network>();
        network->definition = std::move(wish);
        CO_TRY(save(*network));
        networks[network->definition.id] = network;
        publish(*network, "create");
        co_return CreatedNetwork{network->definition.id, ""};
    }
    auto look = [] { return load_host_facts(); };
    CO_TRY_LET(host, co_await env.pool.run(std::move(look)));
    CO_TRY_LET(pools, plan_pools(wish.pools, wish, address_plan(host, wish.id)));
    wish.pools = std::move(pools);
    CO_TRY_LET(network, make_network(std::move(wish)));
    CO_TRY(refuse_shared_link(*network));
    if (network->is_bridge() && !network->bridge.bridge.empty()) {
        auto probe = [name = network->link] { return link_exists(name); };
        CO_TRY_LET(exists, co_await env.pool.run(std::move(probe)));
        network->definition.link_made = !exists;
    }
    if (network->definition.enable_ipv6) { CO_TRY(co_await forward(Family::V6)); }
    auto linked = co_await ensure_links(network);
    if (linked) { linked = save(*network); }
    if (!linked) {
        (void)co_await remove_bridge_rules(network);
        if (network->definition.link_made && network->is_bridge()) {
            auto undo = [name = network->link] { return remove_link(name); };
            (void)co_await env.pool.run(std::move(undo));
        }
        co_return std::move(linked).error();
    }
    dns.names().add_network(network->definition.id, network->definition.name);
    networks[network->definition.id] = network;
    publish(*network, "create");
    co_return CreatedNetwork{network->definition.id, ""};
}

net::Task<Result<void>> Networks::Impl::remove(NetworkPtr network) {
    auto turn = co_await definition_turn.acquire();
    const auto& definition = network->definition;
    if (!networks.contains(definition.id)) { co_return network_not_found(definition.name); }
    if (network->is_predefined()) {
        co_return Error{Errc::Forbidden,
                        definition.name + " is a pre-defined network and cannot be removed"};
    }
    if (network->is_overlay()) { // the managers' business, and gone by itself
        co_return Error{Errc::Forbidden, std::string(not_a_manager)};
    }
    if (!network->users.empty()) {
        co_return Error{Errc::Forbidden, "error while removing network: network " +
                                             definition.name + " id " + definition.id.text() +
                                             " has active endpoints"};
    }
    for (const auto& [id, other] : networks) {
        if (definition.config_only && other->definition.config_from == definition.name) {
            co_return Error{Errc::Forbidden,
                            "configuration network " + go_quote(definition.name) + " is in use"};
        }
    }
    network->removing = true;
    auto cleared = co_await remove_bridge_rules(network);
    if (cleared && definition.link_made && !network->link.empty() && !definition.config_only) {
        auto job = [name = network->link] { return remove_link(name); };
        cleared = co_await env.pool.run(std::move(job));
    }
    if (cleared) { cleared = env.store.remove(kind, definition.id.text()); }
    if (!cleared) {
        network->removing = false;
        co_return std::move(cleared).error().with("error while removing network");
    }
    dns.names().remove_network(definition.id);
    publish(*network, "destroy");
    networks.erase(network->definition.id);
    co_return ok();
}

// --- the public face ---

Networks::Networks(Env& env, network::Settings settings)
    : impl_(std::make_unique<Impl>(env, std::move(settings))) {}
Networks::~Networks() = default;

net::Task<Result<void>> Networks::recover(std::vector<RunningSandbox> running) {
    co_return co_await impl_->recover(std::move(running));
}
net::Task<void> Networks::stop(bool keep_containers) { co_await impl_->stop(keep_containers); }
void Networks::set_users(NetworkUsers& users) { impl_->users = &users; }
Overlays& Networks::overlays() { return *impl_->overlays; }
std::uint64_t Networks::repairs() const { return impl_->overlays->repairs(); }
net::Task<Result<void>> Networks::ensure_overlay(Definition network, std::vector<Ip> granted) {
    co_return co_await impl_->ensure_overlay(std::move(network), std::move(granted));
}

net::Task<Result<CreatedNetwork>> Networks::create(CreateNetwork request) {
    co_return co_await impl_->create(std::move(request.definition));
}

Result<NetworkView> Networks::inspect(std::string_view ref) const {
    TRY_LET(network, impl_->find(ref));
    return impl_->view(*network);
}

namespace {
Result<void> check_list_filters(const Filters& filters) {
    TRY(filters.allow_only({"dangling", "driver", "id", "label", "name", "scope", "type"}));
    TRY_LET(dangling, filters.boolean("dangling", false));
    (void)dangling;
    for (const auto& type : filters.values("type")) {
        if (type != "custom" && type != "builtin") {
            return invalid("invalid filter: 'type'='" + type + "'");
        }
    }
    return ok();
}

bool matches(const Networks::Impl::Network& network, const Filters& filters) {
    const auto& definition = network.definition;
    const auto dangling = filters.boolean("dangling", false);
    const bool unused = network.users.empty() && !network.is_predefined();
    if (filters.has("dangling") && dangling && *dangling != unused) { return false; }
    return filters.exact("driver", definition.driver) &&
           filters.prefix("id", definition.id.text()) &&
           filters.labels("label", definition.labels) && filters.fuzzy("name", definition.name) &&
           filters.exact("scope", definition.scope) &&
           filters.exact("type", network.is_predefined() ? "builtin" : "custom");
}

/// `label!=x` of prune: networks with such a label stay.
bool kept_by_label(const Filters& filters, const Labels& labels) {
    for (const auto& wanted : filters.values("label!")) {
        Filters one;
        one.add("label", wanted);
        if (one.labels("label", labels)) { return true; }
    }
    return false;
}
} // namespace

Result<std::vector<NetworkView>> Networks::list(const Filters& filters) const {
    TRY(check_list_filters(filters));
    std::vector<NetworkView> all;
    for (const auto& [id, network] : impl_->networks) {
        if (matches(*network, filters)) { all.push_back(impl_->view(*network)); }
    }
    std::sort(all.begin(), all.end(), [](const NetworkView& a, const NetworkView& b) {
        return a.definition.name < b.definition.name;
    });
    return all;
}

net::Task<Result<void>> Networks::remove(std::string ref) {
    CO_TRY_LET(network, impl_->find(ref));
    co_return co_await impl_->remove(network);
}

net::Task<Result<std::vector<std::string>>> Networks::prune(Filters filters) {
    CO_TRY(filters.allow_only({"label", "label!", "until"}));
    Instant until = Instant::max();
    for (const auto& text : filters.values("until")) {
        CO_TRY_LET(at, parse_timestamp(text, impl_->env.clock.now()));
        until = at;
    }
    std::vector<Impl::NetworkPtr> candidates;
    for (const auto& [id, network] : impl_->networks) {
        const auto& definition = network->definition;
        const bool wanted = !network->is_predefined() && !network->is_overlay() &&
                            network->users.empty() && definition.created < until &&
                            filters.labels("label", definition.labels) &&
                            !kept_by_label(filters, definition.labels);
        if (wanted) { candidates.push_back(network); }
    }
    std::vector<std::string> removed;
    for (const auto& network : candidates) {
        const auto name = network->definition.name;
        auto done = co_await impl_->remove(network);
        if (done) { removed.push_back(name); }
    }
    if (!removed.empty()) {
        Event event;
        event.type = "network";
        event.action = "prune";
        event.attributes = {{"reclaimed", "0"}};
        impl_->env.events.publish(std::move(event));
    }
    co_return removed;
}

namespace {
Result<void> refuse_host(const Definition& definition) {
    if (definition.driver != "host") { return ok(); }
    return invalid(
        "container cannot be disconnected from host network or connected to host network");
}
} // namespace

net::Task<Result<void>> Networks::connect(std::string ref, std::string container,
                                          EndpointWish wish) {
    auto network = impl_->find(ref);
    if (!network && !impl_->may_be_elsewhere(ref)) { co_return std::move(network).error(); }
    if (network && (*network)->definition.scope != "swarm") { // of others the managers have a say
        CO_TRY(refuse_host((*network)->definition));
        CO_TRY(impl_->check_wish(**network, wish));
        ref = (*network)->definition.id.text();
    }
    if (impl_->users == nullptr) { co_return internal("no containers to connect"); }
    co_return co_await impl_->users->network_connect(std::move(container), std::move(ref),
                                                     std::move(wish));
}

net::Task<Result<void>> Networks::disconnect(std::string ref, std::string container, bool force) {
    auto network = impl_->find(ref);
    if (!network && !impl_->may_be_elsewhere(ref)) { co_return std::move(network).error(); }
    if (network) {
        CO_TRY(refuse_host((*network)->definition));
        ref = (*network)->definition.id.text();
    }
    if (impl_->users == nullptr) { co_return internal("no containers to disconnect"); }
    co_return co_await impl_->users->network_disconnect(std::move(container), std::move(ref),
                                                        force);
}

Result<void> Networks::validate_create(const AttachRequest& request) const {
    return impl_->validate(request);
}

void Networks::rename(const ContainerId& container, const std::string& name) {
    const auto attached = impl_->attached(container);
    if (!attached) { return; }
    attached->info.name = name;
    impl_->refresh_names(*attached);
    impl_->settled(container); // whoever has told others of the name looks at it again
}

const SandboxInfo* Networks::sandbox(const ContainerId& container) const {
    const auto attached = impl_->attached(container);
    return attached ? &attached->info : nullptr;
}

Result<Definition> Networks::find(std::string_view ref) const {
    TRY_LET(network, impl_->find(ref));
    return network->definition;
}

std::string Networks::default_bridge_address(const ContainerId& container) const {
    const auto attached = impl_->attached(container);
    if (!attached) { return {}; }
    for (const auto& endpoint : attached->info.endpoints) {
        if (endpoint.network_name == "bridge") { return endpoint.ipv4; }
    }
    return {};
}

} // namespace shoal::engine
