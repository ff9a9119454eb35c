// The operations on tasks. Their logs: swarm_logs.cpp.
#include "api/swarm_calls.h"
#include "api/swarm_filters.h"
#include "api/swarm_logs.h"
#include "api/task_document.h"
#include "swarm/manager/control/find.h"

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

net::Task<Result<void>> list(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(filters, call.filters());
    CO_TRY_LET(tasks, list_tasks(*store, filters));
    Json all = Json::array();
    for (const auto& task : tasks) { all.push_back(task_document(*task, call.version)); }
    co_return co_await call.json(200, std::move(all));
}

net::Task<Result<void>> inspect(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(task, swarm::find<pb::Task>(*store, call.param("id")));
    co_return co_await call.json(200, task_document(*task, call.version));
}

} // namespace

void add_task_routes(Router& router) {
    router.add("GET", "/tasks", Right::Read, list);
    router.add("GET", "/tasks/{id}", Right::Read, inspect);
    router.add("GET", "/tasks/{id}/logs", Right::Stream, on_leader<task_logs>);
}

} // namespace shoal::api
