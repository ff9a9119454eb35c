// The operations on services. Their logs: swarm_logs.cpp.
#include "swarm/manager/control/services.h"
#include "api/service_document.h"
#include "api/swarm_calls.h"
#include "api/swarm_filters.h"
#include "api/swarm_logs.h"
#include "engine/engine.h"
#include "engine/names.h"
#include "swarm/manager/control/find.h"
#include "swarm/orchestrator/rebalance.h"
#include "swarm/scheduler/scheduler.h"

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

net::Task<Result<void>> list(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(filters, call.filters());
    CO_TRY_LET(services, list_services(*store, filters));
    const bool counted = call.query_bool("status");
    Json all = Json::array();
    for (const auto& service : services) {
        ServiceCounts counts;
        if (counted) { counts = count_tasks(*store, *service); }
        all.push_back(service_document(*service, call.version, counted ? &counts : nullptr));
    }
    co_return co_await call.json(200, std::move(all));
}

net::Task<Result<void>> inspect(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(service, swarm::find<pb::Service>(*store, call.param("id")));
    if (!call.query_bool("insertDefaults")) {
        co_return co_await call.json(200, service_document(*service, call.version));
    }
    auto filled = *service;
    insert_defaults(*filled.mutable_spec());
    co_return co_await call.json(200, service_document(filled, call.version));
}

void set_auth(const Call& call, pb::ServiceSpec& spec) {
    const auto auth = call.header("X-Registry-Auth");
    if (auth.empty() || !spec.task().has_container()) { return; }
    spec.mutable_task()->mutable_container()->mutable_pull_options()->set_registry_auth(auth);
}

/// A service that was given no name gets one that no other has.
void ensure_name(swarm::Tx& tx, pb::ServiceSpec& spec) {
    auto& annotations = *spec.mutable_annotations();
    for (int attempt = 0; annotations.name().empty(); ++attempt) {
        auto name = engine::make_container_name(tx.random(), attempt);
        if (!tx.store().by_name<pb::Service>(name)) { annotations.set_name(std::move(name)); }
    }
}

/// "network x not found" of a network that this machine has by itself means something else.
Error explain_network(const Call& call, Error problem, const pb::ServiceSpec& spec) {
    if (problem.code != Errc::NotFound) { return problem; }
    for (const auto& wanted : spec.task().networks()) {
        const bool meant = problem.message == "network " + wanted.target() + " not found";
        if (meant && call.engine.networks.find(wanted.target())) {
            return {Errc::Forbidden,
                    "The network " + wanted.target() +
                        " cannot be used with services. Only networks scoped to the swarm can be "
                        "used, such as those created with the overlay driver."};
        }
    }
    return problem;
}

/// The id that this machine gives its own bridge or host stands for the swarm's network of that
/// name.
void name_predefined(const Call& call, pb::ServiceSpec& spec) {
    const auto name = [&call](pb::NetworkAttachmentConfig& wanted) {
        const auto local = call.engine.networks.find(wanted.target());
        const bool predefined = local && (local->name == "bridge" || local->name == "host");
        if (predefined) { wanted.set_target(local->name); }
    };
    for (auto& wanted : *spec.mutable_task()->mutable_networks()) { name(wanted); }
    for (auto& wanted : *spec.mutable_networks()) { name(wanted); }
}

net::Task<Result<void>> create(Call& call) {
    CO_TRY_LET(body, co_await call.body<Json>());
    CO_TRY_LET(request, parse_service_request(body, call.version));
    name_predefined(call, request.spec);
    set_auth(call, request.spec);
    const pb::ServiceSpec wish = request.spec;
    std::function<Result<std::string>(swarm::Tx&)> work =
        [wish](swarm::Tx& tx) -> Result<std::string> {
        auto spec = wish;
        ensure_name(tx, spec);
        TRY_LET(made, swarm::create_service(tx, std::move(spec)));
        return made->id();
    };
    auto id = co_await write_cluster(call, std::move(work));
    if (!id) { co_return explain_network(call, std::move(id).error(), wish); }
    call.note(*id);
    Json answer{{"ID", *id}, {"Warnings", nullptr}};
    co_return co_await call.json(201, std::move(answer));
}

enum class Change { Spec, RollBack };

Result<Change> change_of(const Call& call) {
    const auto text = call.query_text("rollback");
    if (text.empty() || text == "none") { return Change::Spec; }
    if (text == "previous") { return Change::RollBack; }
    return invalid("unrecognized rollback option " + text);
}

Result<swarm::UpdateService> update_options(const Call& call) {
    using Auth = swarm::UpdateService::Auth;
    if (!call.header("X-Registry-Auth").empty()) { return swarm::UpdateService{Auth::Given}; }
    const auto from = call.query_text("registryAuthFrom");
    if (from.empty() || from == "spec") { return swarm::UpdateService{Auth::Keep}; }
    if (from == "previous-spec") { return swarm::UpdateService{Auth::Previous}; }
    return invalid("unsupported registryAuthFrom value: " + from);
}

net::Task<Result<void>> roll_back(Call& call, std::uint64_t version) {
    const std::string ref = call.param("id");
    swarm::Mutation work = [ref, version](swarm::Tx& tx) -> Result<void> {
        TRY_LET(service, swarm::find<pb::Service>(tx.store(), ref));
        TRY(swarm::roll_back_service(tx, service->id(), version));
        return ok();
    };
    CO_TRY(co_await write_cluster(call, std::move(work)));
    Json answer{{"Warnings", nullptr}};
    co_return co_await call.json(200, std::move(answer));
}

net::Task<Result<void>> update(Call& call) {
    CO_TRY_LET(version, version_of_query(call, "service"));
    CO_TRY_LET(change, change_of(call));
    CO_TRY_LET(body, co_await call.body<Json>());
    if (change == Change::RollBack) { co_return co_await roll_back(call, version); }
    CO_TRY_LET(request, parse_service_request(body, call.version));
    name_predefined(call, request.spec);
    CO_TRY_LET(options, update_options(call));
    set_auth(call, request.spec);
    const ServiceRequest wish = request;
    const swarm::UpdateService how = options;
    const std::string ref = call.param("id");
    swarm::Mutation work = [wish, how, ref, version](swarm::Tx& tx) -> Result<void> {
        TRY_LET(service, swarm::find<pb::Service>(tx.store(), ref));
        auto spec = wish.spec;
        keep_unnamed(wish, service->spec(), spec);
        TRY(swarm::update_service(tx, service->id(), version, std::move(spec), how));
        return ok();
    };
    auto done = co_await write_cluster(call, std::move(work));
    if (!done) { co_return explain_network(call, std::move(done).error(), wish.spec); }
    Json answer{{"Warnings", nullptr}};
    co_return co_await call.json(200, std::move(answer));
}

Json moves_document(const std::vector<swarm::Move>& moves) {
    Json all = Json::array();
    for (const auto& move : moves) {
        all.push_back(Json{{"Task", move.task_id}, {"From", move.from}, {"To", move.to}});
    }
    return Json{{"Moves", std::move(all)}};
}

enum class Rebalance { Show, Begin };

/// What would move now; with Begin it is asked for.
Result<std::vector<swarm::Move>> rebalance_in(swarm::Tx& tx, const std::string& ref,
                                              Rebalance how) {
    TRY_LET(service, swarm::find<pb::Service>(tx.store(), ref));
    if (!service->spec().has_replicated()) {
        return invalid("only replicated services can be rebalanced, and " +
                       service->spec().annotations().name() + " is none");
    }
    swarm::Scheduler scheduler; // the filters that the moves will be asked when they are made
    scheduler.rebuild(tx.store());
    const swarm::FitsNode fits = [&scheduler](const pb::Task& task, const pb::Node& node) {
        return scheduler.fits(task, node);
    };
    auto moves = swarm::plan_whole_rebalance(tx.store(), service->id(), fits);
    if (how == Rebalance::Begin && !moves.empty()) { swarm::request_rebalance(tx, *service); }
    return moves;
}

net::Task<Result<void>> rebalance(Call& call) {
    const std::string ref = call.param("id");
    const auto how = call.query_bool("dry-run") ? Rebalance::Show : Rebalance::Begin;
    std::function<Result<std::vector<swarm::Move>>(swarm::Tx&)> work = [ref, how](swarm::Tx& tx) {
        return rebalance_in(tx, ref, how);
    };
    CO_TRY_LET(moves, co_await write_cluster(call, std::move(work)));
    Json answer = moves_document(moves);
    co_return co_await call.json(200, std::move(answer));
}

net::Task<Result<void>> remove(Call& call) {
    const std::string ref = call.param("id");
    swarm::Mutation work = [ref](swarm::Tx& tx) -> Result<void> {
        TRY_LET(service, swarm::find<pb::Service>(tx.store(), ref));
        return swarm::remove_service(tx, service->id());
    };
    CO_TRY(co_await write_cluster(call, std::move(work)));
    co_return co_await call.empty(200);
}

} // namespace

void add_service_routes(Router& router) {
    router.add("GET", "/services", Right::Read, list);
    router.add("POST", "/services/create", Right::Write, on_leader<create>);
    router.add("GET", "/services/{id}", Right::Read, inspect);
    router.add("DELETE", "/services/{id}", Right::Write, on_leader<remove>);
    router.add("POST", "/services/{id}/update", Right::Write, on_leader<update>);
    router.add("POST", "/shoal/services/{id}/rebalance", Right::Write, on_leader<rebalance>);
    router.add("GET", "/services/{id}/logs", Right::Stream, on_leader<service_logs>);
}

} // namespace shoal::api
