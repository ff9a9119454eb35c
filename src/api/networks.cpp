// The operations on networks.
#include "api/call.h"
#include "api/router.h"
#include "base/time.h"
#include "container/config_codec.h"
#include "engine/engine.h"

namespace shoal::api {
namespace {

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

net::Task<Result<void>> list_networks(Call& call) {
    CO_TRY_LET(filters, call.filters());
    CO_TRY_LET(views, call.engine.networks.list(filters));
    const auto members = call.version < 128 ? Members::Shown : Members::Hidden;
    Json all = Json::array();
    for (const auto& view : views) { all.push_back(network_document(view, call.version, members)); }
    co_return co_await call.json(200, std::move(all));
}

net::Task<Result<void>> inspect_network(Call& call) {
    const auto& ref = call.param("id");
    if (ref.empty()) { co_return co_await list_networks(call); }
    CO_TRY_LET(view, call.engine.networks.inspect(ref));
    const auto scope = call.query_text("scope");
    if (!scope.empty() && scope != view.definition.scope) {
        co_return Error{Errc::NotFound, "network " + ref + " not found"};
    }
    auto document = network_document(view, call.version, Members::Shown);
    co_return co_await call.json(200, std::move(document));
}

net::Task<Result<void>> create_network(Call& call) {
    CO_TRY_LET(body, co_await call.body<CreateRequest>());
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

net::Task<Result<void>> remove_network(Call& call) {
    CO_TRY(co_await call.engine.networks.remove(call.param("id")));
    co_return co_await call.empty(204);
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
