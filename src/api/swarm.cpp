// The operations on the cluster itself: begin, join, leave, lock, settings and tokens.
#include "api/swarm_calls.h"
#include "api/swarm_document.h"
#include "swarm/manager/control/cluster_addresses.h"

namespace shoal::api {
namespace {

namespace pb = swarm::pb;
using swarm::LocalState;

constexpr auto not_in_a_swarm = "This node is not part of a swarm";
constexpr auto already_in_a_swarm =
    "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join "
    "another one.";

net::Until join_until(Call& call) { return {Deadline::in(std::chrono::seconds(60)), call.gone()}; }

} // namespace

Result<void> check_outside_swarm(const Call& call) {
    if (call.daemon.swarm == nullptr) {
        return unsupported(
            "swarm mode is not part of this release: this daemon runs containers on one machine");
    }
    if (standing_of(call).state == LocalState::Inactive) { return ok(); }
    return Error{Errc::Unavailable, already_in_a_swarm};
}

namespace {

Result<void> check_inside(const Call& call) {
    if (standing_of(call).state != LocalState::Inactive) { return ok(); }
    return Error{Errc::Unavailable, not_in_a_swarm};
}

net::Task<Result<void>> inspect_swarm(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    const auto cluster = store->cluster();
    if (!cluster) { co_return Error{Errc::NotFound, "cluster not found"}; }
    co_return co_await call.json(200, swarm_document(*cluster, standing_of(call).tls));
}

net::Task<Result<void>> init_swarm(Call& call) {
    const bool possible = call.daemon.swarm != nullptr;
    if (!possible) { CO_TRY(check_outside_swarm(call)); }
    CO_TRY_LET(body, co_await call.body<Json>());
    CO_TRY_LET(request, parse_init_request(body, call.version));
    if (!request.force_new_cluster) { CO_TRY(check_outside_swarm(call)); }
    CO_TRY(swarm::check_cluster_spec(request.spec));
    CO_TRY(swarm::check_cluster_addresses(request.address_pools, request.subnet_size,
                                          request.data_path_port));
    const auto until = join_until(call);
    CO_TRY_LET(node, co_await call.daemon.swarm->init(std::move(request), until));
    call.note(node);
    co_return co_await call.json(200, Json(node));
}

net::Task<Result<void>> join_swarm(Call& call) {
    CO_TRY(check_outside_swarm(call));
    CO_TRY_LET(body, co_await call.body<Json>());
    CO_TRY_LET(request, parse_join_request(body));
    const auto until = join_until(call);
    CO_TRY(co_await call.daemon.swarm->join(std::move(request), until));
    co_return co_await call.empty(200);
}

net::Task<Result<void>> leave_swarm(Call& call) {
    CO_TRY(check_inside(call));
    const bool force = call.query_bool("force");
    const auto until = join_until(call);
    CO_TRY(co_await call.daemon.swarm->leave(force, until));
    co_return co_await call.empty(200);
}

net::Task<Result<void>> unlock_swarm(Call& call) {
    CO_TRY(check_inside(call));
    CO_TRY_LET(body, co_await call.body<Json>());
    CO_TRY_LET(key, parse_unlock_request(body));
    if (standing_of(call).state != LocalState::Locked) {
        co_return conflict("swarm is not locked");
    }
    const auto until = join_until(call);
    CO_TRY(co_await call.daemon.swarm->unlock(std::move(key), until));
    co_return co_await call.empty(200);
}

net::Task<Result<void>> show_unlock_key(Call& call) {
    CO_TRY(check_manager(standing_of(call)));
    const auto until = write_until(call);
    CO_TRY_LET(key, co_await call.daemon.swarm->unlock_key(until));
    Json answer{{"UnlockKey", key}};
    co_return co_await call.json(200, std::move(answer));
}

net::Task<Result<void>> update_swarm(Call& call) {
    CO_TRY_LET(version, version_of_query(call, "swarm"));
    CO_TRY_LET(body, co_await call.body<Json>());
    const swarm::UpdateCluster options{call.query_bool("rotateWorkerToken"),
                                       call.query_bool("rotateManagerToken"),
                                       call.query_bool("rotateManagerUnlockKey")};
    swarm::Face& face = *call.daemon.swarm;
    swarm::Mutation work = [=, &face](swarm::Tx& tx) -> Result<void> {
        const auto cluster = tx.store().cluster();
        TRY_LET(spec, parse_cluster_spec(body, cluster ? cluster->spec() : default_cluster_spec()));
        TRY(swarm::update_cluster(tx, version, spec, options, face.cluster_actions()));
        return ok();
    };
    CO_TRY(co_await write_cluster(call, std::move(work)));
    co_return co_await call.empty(200);
}

} // namespace

void add_swarm_routes(Router& router) {
    router.add("GET", "/swarm", Right::Read, inspect_swarm);
    router.add("POST", "/swarm/init", Right::Admin, init_swarm);
    router.add("POST", "/swarm/join", Right::Admin, join_swarm);
    router.add("POST", "/swarm/leave", Right::Admin, leave_swarm);
    router.add("POST", "/swarm/update", Right::Admin, on_leader<update_swarm>);
    router.add("GET", "/swarm/unlockkey", Right::Admin, show_unlock_key);
    router.add("POST", "/swarm/unlock", Right::Admin, unlock_swarm);
    add_node_routes(router);
    add_service_routes(router);
    add_task_routes(router);
    add_secret_routes(router);
    add_swarm_backup_routes(router);
}

} // namespace shoal::api
