// The operations on networks: this machine's own, and on a manager those of the whole swarm beside
// them.
#include "swarm/manager/control/networks.h"
#include "api/call.h"
#include "api/router.h"
#include "api/swarm_calls.h"
#include "api/swarm_filters.h"
#include "api/swarm_network_document.h"
#include "base/time.h"
#include "container/config_codec.h"
#include "engine/engine.h"
#include "swarm/manager/control/find.h"

namespace shoal::api {
namespace {

namespace pb = swarm::pb;
using engine::NetworkView;

struct IpamRequest {
    std::string driver;
    std::map<std::string, std::string> options;
    std::vector<network::Pool> config;
};
template <class V> void describe(V& v, IpamRequest& ipam) {
    v("Driver", ipam.driver);
    v("Options", ipam.options);
    v("Config", ipam.config);
}

struct ConfigReference {
    std::string network;
};
template <class V> void describe(V& v, ConfigReference& reference) {
    v("Network", reference.network);
}

struct CreateRequest {
    std::string name, driver, scope;
    std::optional<bool> enable_ipv4, enable_ipv6;
    bool internal = false, attachable = false, ingress = false, config_only = false;
    ConfigReference config_from;
    IpamRequest ipam;
    std::map<std::string, std::string> options;
    Labels labels;
};
template <class V> void describe(V& v, CreateRequest& request) {
    v("Name", request.name);
    v.ignore("CheckDuplicate"); // names are always unique
    v("Driver", request.driver);
    v("Scope", request.scope);
    v("EnableIPv4", request.enable_ipv4);
    v("EnableIPv6", request.enable_ipv6);
    v("Internal", request.internal);
    v("Attachable", request.attachable);
    v("Ingress", request.ingress);
    v("ConfigOnly", request.config_only);
    v("ConfigFrom", request.config_from);
    v("IPAM", request.ipam);
    v("Options", request.options);
    v("Labels", request.labels);
}

struct ConnectRequest {
    std::string container;
    container::EndpointSettings endpoint;
};
template <class V> void describe(V& v, ConnectRequest& request) {
    v("Container", request.container);
    v("EndpointConfig", request.endpoint);
}

struct DisconnectRequest {
    std::string container;
    bool force = false;
};
template <class V> void describe(V& v, DisconnectRequest& request) {
    v("Container", request.container);
    v("Force", request.force);
}

Json members_document(const NetworkView& view) {
    Json members = Json::object();
    for (const auto& member : view.members) {
        members[member.container.text()] = Json{{"Name", member.name},
                                                {"EndpointID", member.endpoint},
                                                {"MacAddress", member.mac},
                                                {"IPv4Address", member.ipv4},
                                                {"IPv6Address", member.ipv6}};
    }
    return members;
}

Json ipam_document(const network::Definition& definition) {
    Json config = Json::array();
    for (const auto& pool : definition.pools) { config.push_back(codec::write(pool)); }
    const bool none = definition.driver == "host" || definition.driver == "null";
    const bool predefined = none || definition.name == "bridge";
    Json options = definition.ipam_options.empty() && predefined
                       ? Json(nullptr)
                       : codec::write(definition.ipam_options);
    if (config.empty() && none) { config = Json(nullptr); }
    return Json{{"Driver", definition.ipam_driver}, {"Options", options}, {"Config", config}};
}

enum class Members { Shown, Hidden };

Json network_document(const NetworkView& view, int version, Members members) {
    const auto& definition = view.definition;
    Json document{{"Name", definition.name}, {"Id", definition.id.text()}};
    document["Created"] = format_rfc3339(definition.created);
    document["Scope"] = definition.scope;
    document["Driver"] = definition.driver;
    if (version >= 147) { document["EnableIPv4"] = definition.enable_ipv4; }
    document["EnableIPv6"] = definition.enable_ipv6;
    document["IPAM"] = ipam_document(definition);
    document["Internal"] = definition.internal;
    document["Attachable"] = definition.attachable;
    document["Ingress"] = definition.ingress;
    document["ConfigFrom"] = Json{{"Network", definition.config_from}};
    document["ConfigOnly"] = definition.config_only;
    document["Containers"] = members == Members::Shown ? members_document(view) : Json::object();
    document["Options"] = codec::write(definition.options);
    document["Labels"] = codec::write(definition.labels);
    return document;
}

/// The cluster's state; null where there is none to look at.
const swarm::Store* store_of(const Call& call) {
    auto store = cluster_store(call);
    return store ? *store : nullptr;
}

/// The part of a swarm's network that is on this machine, when there is one.
std::optional<NetworkView> local_part(const Call& call, const pb::Network& network) {
    const auto local = call.engine.networks.inspect(network.id());
    if (!local || local->definition.id.text() != network.id()) { return std::nullopt; }
    return *local;
}

/// A swarm's network, with those of its containers that are on this machine.
Json shown_network(const Call& call, const pb::Network& network, Members members) {
    auto document = swarm_network_document(network, call.version);
    const auto local = local_part(call, network);
    if (local && members == Members::Shown) { document["Containers"] = members_document(*local); }
    return document;
}

/// And with all that the managers know of it.
Json inspected_network(const Call& call, const swarm::Store& store, const pb::Network& network,
                       bool verbose) {
    auto document = shown_network(call, network, Members::Shown);
    if (const auto peers = peers_document(store, network); !peers.empty()) {
        document["Peers"] = peers;
    }
    if (!verbose) { return document; }
    std::map<std::string, std::string> endpoints;
    if (const auto local = local_part(call, network)) {
        for (const auto& member : local->members) { endpoints[member.name] = member.endpoint; }
    }
    document["Services"] = network_services_document(store, network, endpoints);
    return document;
}

net::Task<Result<void>> list_networks(Call& call) {
    CO_TRY_LET(filters, call.filters());
    CO_TRY_LET(views, call.engine.networks.list(filters));
    const auto members = call.version < 128 ? Members::Shown : Members::Hidden;
    const auto* store = store_of(call);
    Json all = Json::array();
    for (const auto& view : views) {
        // What a node has of the swarm's networks stays a while after their last container.
        const bool swarms = view.definition.scope == "swarm";
        if (swarms && (store != nullptr || view.members.empty())) { continue; }
        all.push_back(network_document(view, call.version, members));
    }
    if (store != nullptr) {
        for (const auto& network : list_swarm_networks(*store, filters)) {
            all.push_back(shown_network(call, *network, members));
        }
    }
    co_return co_await call.json(200, std::move(all));
}

/// The swarm's network that `ref` means on a manager; null when it means none, or rather one of
/// this machine: a whole name or id wins over the beginning of one. Those that every node has are
/// the swarm's only for who asks for just that: so clients find what a service is put on.
enum class Predefined { Hidden, Shown };
swarm::NetworkPtr swarm_network(const Call& call, const std::string& ref,
                                Predefined predefined = Predefined::Hidden) {
    const auto* store = store_of(call);
    if (store == nullptr) { return nullptr; }
    auto found = swarm::find<pb::Network>(*store, ref);
    if (!found) { return nullptr; }
    if (swarm::is_predefined(**found)) {
        return predefined == Predefined::Shown ? *found : nullptr;
    }
    const bool whole = (*found)->id() == ref || (*found)->spec().annotations().name() == ref;
    const auto local = call.engine.networks.find(ref);
    if (!whole && local && local->scope != "swarm") { return nullptr; }
    return *found;
}

/// A worker has only what is in use there; whoever wants to use another one looks for it first.
net::Task<Result<Json>> network_of_managers(Call& call, std::string ref) {
    const auto own = standing_of(call);
    if (own.state == swarm::LocalState::Active && !own.manager) {
        const net::Until until(call.gone());
        auto found = co_await call.daemon.swarm->find_network(ref, until);
        if (found) { co_return swarm_network_document(*found, call.version); }
    }
    co_return Error{Errc::NotFound, "network " + ref + " not found"};
}

net::Task<Result<void>> inspect_network(Call& call) {
    const auto& ref = call.param("id");
    if (ref.empty()) { co_return co_await list_networks(call); }
    const auto scope = call.query_text("scope");
    const bool verbose = call.query_bool("verbose");
    if (scope.empty() || scope == "swarm") {
        const auto predefined = scope.empty() ? Predefined::Hidden : Predefined::Shown;
        if (const auto network = swarm_network(call, ref, predefined)) {
            auto document = inspected_network(call, *store_of(call), *network, verbose);
            co_return co_await call.json(200, std::move(document));
        }
    }
    auto local = call.engine.networks.inspect(ref);
    const bool other = local && !scope.empty() && scope != local->definition.scope;
    if (!local && local.error().code == Errc::NotFound && scope != "local") {
        CO_TRY_LET(document, co_await network_of_managers(call, ref));
        co_return co_await call.json(200, std::move(document));
    }
    if (other) { co_return Error{Errc::NotFound, "network " + ref + " not found"}; }
    CO_TRY_LET(view, std::move(local));
    auto document = network_document(view, call.version, Members::Shown);
    for (const auto& peer : view.peers) {
        document["Peers"].push_back(peer_document(peer.node, peer.address.text()));
    }
    co_return co_await call.json(200, std::move(document));
}

bool is_swarm_wide(const CreateRequest& body) {
    return body.driver == "overlay" || body.ingress || body.scope == "swarm" ||
           body.scope == "global";
}

Result<pb::NetworkSpec> swarm_network_spec(const CreateRequest& body) {
    if (body.config_only) {
        return unsupported("a configuration network cannot be one of the swarm");
    }
    if (!body.enable_ipv4.value_or(true)) {
        return unsupported("IPv4 cannot be disabled in an overlay network");
    }
    pb::NetworkSpec spec;
    spec.mutable_annotations()->set_name(body.name);
    spec.mutable_annotations()->mutable_labels()->insert(body.labels.begin(), body.labels.end());
    spec.mutable_driver_config()->set_name(body.driver);
    spec.mutable_driver_config()->mutable_options()->insert(body.options.begin(),
                                                            body.options.end());
    spec.set_ipv6_enabled(body.enable_ipv6.value_or(false));
    spec.set_internal(body.internal);
    spec.set_attachable(body.attachable);
    spec.set_ingress(body.ingress);
    if (!body.config_from.network.empty()) { spec.set_network(body.config_from.network); }
    auto& ipam = *spec.mutable_ipam();
    ipam.mutable_driver()->set_name(body.ipam.driver);
    ipam.mutable_driver()->mutable_options()->insert(body.ipam.options.begin(),
                                                     body.ipam.options.end());
    for (const auto& pool : body.ipam.config) {
        auto& config = *ipam.add_configs();
        const bool v6 = pool.subnet.find(':') != std::string::npos;
        config.set_family(v6 ? pb::IPAMConfig::IPV6 : pb::IPAMConfig::IPV4);
        config.set_subnet(pool.subnet);
        config.set_range(pool.ip_range);
        config.set_gateway(pool.gateway);
        config.mutable_reserved()->insert(pool.aux.begin(), pool.aux.end());
    }
    return spec;
}

net::Task<Result<void>> create_swarm_network(Call& call, Json body, CreateRequest wish) {
    auto manager = check_manager(standing_of(call));
    if (!manager) { co_return Error{Errc::Forbidden, manager.error().message}; }
    // Names of this machine's own networks are its users' business, not that of whoever passes a
    // request on to the leader; names in the swarm are looked at in the transaction.
    const auto local = call.engine.networks.find(wish.name);
    const bool own = local && local->name == wish.name && local->scope != "swarm";
    if (!is_forwarded(call) && own) {
        co_return conflict("network with name " + wish.name + " already exists");
    }
    CO_TRY_LET(spec, swarm_network_spec(wish));
    if (!call.daemon.swarm->leads()) {
        co_return co_await forward_to_leader(call, dump_json(body));
    }
    std::function<Result<std::string>(swarm::Tx&)> work =
        [spec](swarm::Tx& tx) -> Result<std::string> {
        TRY_LET(made, swarm::create_network(tx, spec));
        return made->id();
    };
    CO_TRY_LET(id, co_await write_cluster(call, std::move(work)));
    call.note(id);
    Json answer{{"Id", id}, {"Warning", ""}};
    co_return co_await call.json(201, std::move(answer));
}

net::Task<Result<void>> create_local_network(Call& call, CreateRequest body) {
    const auto* store = store_of(call);
    if (store != nullptr && store->by_name<pb::Network>(body.name)) {
        co_return conflict("network with name " + body.name + " already exists");
    }
    engine::CreateNetwork request;
    auto& definition = request.definition;
    definition.name = body.name;
    definition.driver = body.driver;
    definition.scope = body.scope;
    if (call.version >= 147) { definition.enable_ipv4 = body.enable_ipv4.value_or(true); }
    definition.enable_ipv6 = body.enable_ipv6.value_or(false);
    definition.internal = body.internal;
    definition.attachable = body.attachable;
    definition.ingress = body.ingress;
    definition.config_only = body.config_only;
    definition.config_from = body.config_from.network;
    definition.ipam_driver = body.ipam.driver;
    definition.ipam_options = body.ipam.options;
    definition.pools = body.ipam.config;
    definition.options = body.options;
    definition.labels = body.labels;
    CO_TRY_LET(created, co_await call.engine.networks.create(std::move(request)));
    call.note(created.id.text());
    Json answer{{"Id", created.id.text()}, {"Warning", created.warning}};
    co_return co_await call.json(201, std::move(answer));
}

net::Task<Result<void>> create_network(Call& call) {
    CO_TRY_LET(json, co_await call.body<Json>());
    CO_TRY_LET(body, codec::read<CreateRequest>(json, "", codec::Unknown::Refuse));
    if (is_swarm_wide(body)) {
        co_return co_await create_swarm_network(call, std::move(json), std::move(body));
    }
    co_return co_await create_local_network(call, std::move(body));
}

net::Task<Result<void>> remove_from_swarm(Call& call, std::string id) {
    if (!call.daemon.swarm->leads()) {
        co_return co_await ask_leader(call, "DELETE", "/networks/" + id);
    }
    swarm::Mutation work = [id](swarm::Tx& tx) { return swarm::remove_network(tx, id); };
    co_return co_await write_cluster(call, std::move(work));
}

/// What a node has of the swarm's networks comes and goes with what is on them.
Result<void> refuse_part_of_swarm(const Call& call, const std::string& ref) {
    const auto local = call.engine.networks.find(ref);
    if (!local || local->scope != "swarm") { return ok(); }
    const auto manager = check_manager(standing_of(call));
    if (!manager) { return Error{Errc::Forbidden, manager.error().message}; }
    return Error{Errc::NotFound, "network " + ref + " not found"};
}

net::Task<Result<void>> remove_network(Call& call) {
    const auto& ref = call.param("id");
    if (const auto network = swarm_network(call, ref)) {
        CO_TRY(co_await remove_from_swarm(call, network->id()));
    } else {
        CO_TRY(refuse_part_of_swarm(call, ref));
        CO_TRY(co_await call.engine.networks.remove(ref));
    }
    co_return co_await call.empty(204);
}

/// Does the filter of prune let this one go? `until` has been read by the local part.
Result<bool> may_be_pruned(const Filters& filters, const swarm::Store& store,
                           const pb::Network& network, Instant now) {
    const auto& labels = network.spec().annotations().labels();
    const Labels own(labels.begin(), labels.end());
    if (swarm::is_predefined(network) || network.spec().ingress()) { return false; }
    if (!filters.labels("label", own)) { return false; }
    for (const auto& kept : filters.values("label!")) {
        Filters one;
        one.add("label", kept);
        if (one.labels("label", own)) { return false; }
    }
    for (const auto& text : filters.values("until")) {
        TRY_LET(until, parse_timestamp(text, now));
        if (swarm::from_timestamp(network.meta().created_at()) >= until) { return false; }
    }
    return !is_network_used(store, network);
}

/// What cannot be removed after all stays: somebody has begun to use it.
net::Task<Result<void>> prune_swarm_networks(Call& call, Filters filters,
                                             std::vector<std::string>& removed) {
    const auto* store = store_of(call);
    if (store == nullptr) { co_return ok(); }
    std::vector<swarm::NetworkPtr> unused;
    for (const auto& [id, network] : store->all<pb::Network>()) {
        CO_TRY_LET(fits, may_be_pruned(filters, *store, *network, call.daemon.clock.now()));
        if (fits) { unused.push_back(network); }
    }
    for (const auto& network : unused) {
        auto done = co_await remove_from_swarm(call, network->id());
        if (done) { removed.push_back(network->spec().annotations().name()); }
    }
    co_return ok();
}

net::Task<Result<void>> connect_network(Call& call) {
    CO_TRY_LET(body, co_await call.body<ConnectRequest>());
    if (body.container.empty()) {
        co_return invalid("Container: a container's name or id is needed");
    }
    auto wish = engine::endpoint_wish(body.endpoint);
    CO_TRY(
        co_await call.engine.networks.connect(call.param("id"), body.container, std::move(wish)));
    co_return co_await call.empty(200);
}

net::Task<Result<void>> disconnect_network(Call& call) {
    CO_TRY_LET(body, co_await call.body<DisconnectRequest>());
    CO_TRY(co_await call.engine.networks.disconnect(call.param("id"), body.container, body.force));
    co_return co_await call.empty(200);
}

net::Task<Result<void>> prune_networks(Call& call) {
    CO_TRY_LET(filters, call.filters());
    CO_TRY_LET(removed, co_await call.engine.networks.prune(filters));
    CO_TRY(co_await prune_swarm_networks(call, filters, removed));
    Json answer{{"NetworksDeleted", removed.empty() ? Json(nullptr) : Json(removed)}};
    co_return co_await call.json(200, std::move(answer));
}

} // namespace

void add_network_routes(Router& router) {
    router.add("GET", "/networks", Right::Read, list_networks);
    router.add("GET", "/networks/{id:.*}", Right::Read, inspect_network);
    router.add("POST", "/networks/create", Right::Write, create_network);
    router.add("POST", "/networks/prune", Right::Write, prune_networks);
    router.add("POST", "/networks/{id:.*}/connect", Right::Write, connect_network);
    router.add("POST", "/networks/{id:.*}/disconnect", Right::Write, disconnect_network);
    router.add("DELETE", "/networks/{id:.*}", Right::Write, remove_network);
}

} // namespace shoal::api
