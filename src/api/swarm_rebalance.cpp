#include "api/swarm_rebalance.h"

#include "api/swarm_calls.h"
#include "swarm/manager/control/find.h"

namespace shoal::api {
namespace {

namespace pb = swarm::pb;
using swarm::Kind;
using swarm::ObjectPtr;
using swarm::Store;

Store part_of(const Store& store, const std::string& service_id) {
    Store part;
    for (const auto& [id, node] : store.all<pb::Node>()) {
        part.apply(Kind::Node, id, ObjectPtr(node));
    }
    for (const auto& [id, task] : store.tasks_of_service(service_id)) {
        part.apply(Kind::Task, id, ObjectPtr(task));
    }
    if (const auto service = store.get<pb::Service>(service_id)) {
        part.apply(Kind::Service, service_id, ObjectPtr(service));
    }
    return part;
}

Json moves_document(const std::vector<swarm::Move>& moves) {
    Json all = Json::array();
    for (const auto& move : moves) {
        all.push_back(Json{{"Task", move.task_id}, {"From", move.from}, {"To", move.to}});
    }
    return Json{{"Moves", std::move(all)}};
}

} // namespace

std::vector<swarm::Move> plan_moves(const Store& store, const std::string& service_id) {
    std::vector<swarm::Move> moves;
    auto part = part_of(store, service_id);
    while (moves.size() < moves_shown_max) {
        const auto move = swarm::plan_rebalance(part, service_id, {});
        if (!move) { break; }
        auto task = *part.get<pb::Task>(move->task_id);
        task.set_node_id(move->to);
        part.apply(Kind::Task, move->task_id,
                   ObjectPtr(swarm::TaskPtr(std::make_shared<pb::Task>(std::move(task)))));
        moves.push_back(*move);
    }
    return moves;
}

net::Task<Result<void>> rebalance_service(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(service, swarm::find<pb::Service>(*store, call.param("id")));
    if (!service->spec().has_replicated()) {
        co_return invalid("only replicated services can be rebalanced");
    }
    const std::string id = service->id();
    const auto moves = plan_moves(*store, id);
    if (!call.query_bool("dry-run") && !moves.empty()) {
        swarm::Mutation work = [id](swarm::Tx& tx) -> Result<void> {
            TRY_LET(found, swarm::find<pb::Service>(tx.store(), id));
            swarm::request_rebalance(tx, *found);
            return ok();
        };
        CO_TRY(co_await write_cluster(call, std::move(work)));
    }
    co_return co_await call.json(200, moves_document(moves));
}

} // namespace shoal::api
