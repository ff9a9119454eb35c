// The operations on secrets and configs of a cluster: the same for both, but for their names and
// what is shown.
#include "swarm/manager/control/secrets.h"
#include "api/secret_document.h"
#include "api/swarm_calls.h"
#include "api/swarm_filters.h"
#include "swarm/manager/control/find.h"

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

struct Secrets {
    using Object = pb::Secret;
    static constexpr auto kind = "secret";
    static constexpr auto list = list_secrets;
    static constexpr auto document = secret_document;
    static constexpr auto parse = parse_secret_spec;
    static constexpr auto create = swarm::create_secret;
    static constexpr auto update = swarm::update_secret;
    static constexpr auto remove = swarm::remove_secret;
};
struct Configs {
    using Object = pb::Config;
    static constexpr auto kind = "config";
    static constexpr auto list = list_configs;
    static constexpr auto document = config_document;
    static constexpr auto parse = parse_config_spec;
    static constexpr auto create = swarm::create_config;
    static constexpr auto update = swarm::update_config;
    static constexpr auto remove = swarm::remove_config;
};

template <class Kind> net::Task<Result<void>> list(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(filters, call.filters());
    CO_TRY_LET(objects, Kind::list(*store, filters));
    Json all = Json::array();
    for (const auto& object : objects) { all.push_back(Kind::document(*object)); }
    co_return co_await call.json(200, std::move(all));
}

template <class Kind> net::Task<Result<void>> inspect(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(object, swarm::find<typename Kind::Object>(*store, call.param("id")));
    co_return co_await call.json(200, Kind::document(*object));
}

template <class Kind> net::Task<Result<void>> create(Call& call) {
    CO_TRY_LET(body, co_await call.body<Json>());
    CO_TRY_LET(spec, Kind::parse(body));
    std::function<Result<std::string>(swarm::Tx&)> work =
        [spec](swarm::Tx& tx) -> Result<std::string> {
        TRY_LET(made, Kind::create(tx, spec));
        return made->id();
    };
    CO_TRY_LET(id, co_await write_cluster(call, std::move(work)));
    call.note(id);
    Json answer = Json::object();
    answer["ID"] = id;
    co_return co_await call.json(201, std::move(answer));
}

template <class Kind> net::Task<Result<void>> update(Call& call) {
    CO_TRY_LET(version, version_of_query(call, Kind::kind));
    CO_TRY_LET(body, co_await call.body<Json>());
    CO_TRY_LET(spec, Kind::parse(body));
    const std::string ref = call.param("id");
    swarm::Mutation work = [spec, ref, version](swarm::Tx& tx) -> Result<void> {
        TRY_LET(object, swarm::find<typename Kind::Object>(tx.store(), ref));
        TRY(Kind::update(tx, object->id(), version, spec));
        return ok();
    };
    CO_TRY(co_await write_cluster(call, std::move(work)));
    co_return co_await call.empty(200);
}

template <class Kind> net::Task<Result<void>> remove(Call& call) {
    const std::string ref = call.param("id");
    swarm::Mutation work = [ref](swarm::Tx& tx) -> Result<void> {
        TRY_LET(object, swarm::find<typename Kind::Object>(tx.store(), ref));
        return Kind::remove(tx, object->id());
    };
    CO_TRY(co_await write_cluster(call, std::move(work)));
    co_return co_await call.empty(204);
}

template <class Kind> void add(Router& router) {
    const std::string path = "/" + std::string(Kind::kind) + "s";
    router.add("GET", path, Right::Read, list<Kind>);
    router.add("POST", path + "/create", Right::Write, on_leader<create<Kind>>);
    router.add("GET", path + "/{id}", Right::Read, inspect<Kind>);
    router.add("DELETE", path + "/{id}", Right::Write, on_leader<remove<Kind>>);
    router.add("POST", path + "/{id}/update", Right::Write, on_leader<update<Kind>>);
}

} // namespace

void add_secret_routes(Router& router) {
    add<Secrets>(router);
    add<Configs>(router);
}

} // namespace shoal::api
