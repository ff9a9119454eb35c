// The operations on the nodes of a cluster.
#include "swarm/manager/control/nodes.h"
#include "api/node_document.h"
#include "api/swarm_calls.h"
#include "api/swarm_filters.h"
#include "swarm/manager/control/find.h"

#include <spdlog/spdlog.h>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

/// What troubles this manager's store can be written into no store: it is said here.
Json document_of(const Call& call, const pb::Node& node) {
    Json document = node_document(node);
    const auto standing = standing_of(call);
    if (node.id() == standing.node_id && !standing.trouble.empty()) {
        document["Status"]["Message"] = standing.trouble;
    }
    return document;
}

net::Task<Result<void>> list(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(filters, call.filters());
    CO_TRY_LET(nodes, list_nodes(*store, filters));
    Json all = Json::array();
    for (const auto& node : nodes) { all.push_back(document_of(call, *node)); }
    co_return co_await call.json(200, std::move(all));
}

net::Task<Result<void>> inspect(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(node, swarm::find<pb::Node>(*store, call.param("id")));
    co_return co_await call.json(200, document_of(call, *node));
}

net::Task<Result<void>> update(Call& call) {
    CO_TRY_LET(version, version_of_query(call, "node"));
    CO_TRY_LET(body, co_await call.body<Json>());
    CO_TRY_LET(spec, parse_node_spec(body));
    const std::string ref = call.param("id");
    using Updated = swarm::UpdatedNode;
    std::function<Result<Updated>(swarm::Tx&)> work = [=](swarm::Tx& tx) -> Result<Updated> {
        TRY_LET(node, swarm::find<pb::Node>(tx.store(), ref));
        return swarm::update_node(tx, node->id(), version, spec);
    };
    CO_TRY_LET(updated, co_await write_cluster(call, std::move(work)));
    call.note(updated.node->id());
    // The answer has no place for them.
    for (const auto& warning : updated.warnings) {
        spdlog::warn("node {}: {}", updated.node->id(), warning);
    }
    co_return co_await call.empty(200);
}

net::Task<Result<void>> remove(Call& call) {
    const std::string ref = call.param("id");
    const bool force = call.query_bool("force");
    swarm::Face& face = *call.daemon.swarm;
    swarm::Mutation work = [=, &face](swarm::Tx& tx) -> Result<void> {
        TRY_LET(node, swarm::find<pb::Node>(tx.store(), ref));
        return swarm::remove_node(tx, node->id(), {force, face.certificate_ends(*node)});
    };
    CO_TRY(co_await write_cluster(call, std::move(work)));
    co_return co_await call.empty(200);
}

} // namespace

void add_node_routes(Router& router) {
    router.add("GET", "/nodes", Right::Read, list);
    router.add("GET", "/nodes/{id}", Right::Read, inspect);
    router.add("DELETE", "/nodes/{id}", Right::Admin, on_leader<remove>);
    router.add("POST", "/nodes/{id}/update", Right::Admin, on_leader<update>);
}

} // namespace shoal::api
