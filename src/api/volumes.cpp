// The operations on volumes.
#include "api/call.h"
#include "api/router.h"
#include "api/volume_document.h"
#include "base/time.h"
#include "engine/engine.h"

namespace shoal::api {
namespace {

struct CreateRequest {
    std::string name, driver;
    std::map<std::string, std::string> options;
    Labels labels;
};
template <class V> void describe(V& v, CreateRequest& request) {
    v("Name", request.name);
    v("Driver", request.driver);
    v("DriverOpts", request.options);
    v("Labels", request.labels);
    v.refuse("ClusterVolumeSpec", "this node is not part of a swarm");
}

/// Checked here so that a bad word is an error and not an empty list.
Result<Filters> list_filters(const Call& call) {
    TRY_LET(filters, call.filters());
    TRY(filters.allow_only({"dangling", "driver", "label", "name"}));
    TRY_LET(dangling, filters.boolean("dangling", false));
    (void)dangling;
    return filters;
}

net::Task<Result<void>> list_volumes(Call& call) {
    CO_TRY_LET(filters, list_filters(call));
    Json volumes = Json::array();
    for (const auto& info : call.engine.volumes.list(filters)) {
        volumes.push_back(volume_document(info));
    }
    Json document{{"Volumes", std::move(volumes)}, {"Warnings", nullptr}};
    co_return co_await call.json(200, std::move(document));
}

net::Task<Result<void>> inspect_volume(Call& call) {
    CO_TRY_LET(info, call.engine.volumes.inspect(call.param("name")));
    co_return co_await call.json(200, volume_document(info));
}

net::Task<Result<void>> create_volume(Call& call) {
    CO_TRY_LET(body, co_await call.body<CreateRequest>());
    engine::VolumeRequest request;
    request.name = body.name;
    if (!body.driver.empty()) { request.driver = body.driver; }
    request.options = body.options;
    request.labels = body.labels;
    CO_TRY_LET(info, co_await call.engine.volumes.create(std::move(request)));
    call.note(info.name);
    co_return co_await call.json(201, volume_document(info));
}

net::Task<Result<void>> remove_volume(Call& call) {
    CO_TRY(co_await call.engine.volumes.remove(call.param("name"), call.query_bool("force")));
    co_return co_await call.empty(204);
}

net::Task<Result<void>> prune_volumes(Call& call) {
    CO_TRY_LET(filters, call.filters());
    CO_TRY_LET(pruned, co_await call.engine.volumes.prune(filters, call.version < 142));
    Json names = Json::array();
    for (const auto& name : pruned.names) { names.push_back(name); }
    Json document{{"VolumesDeleted", std::move(names)}, {"SpaceReclaimed", pruned.reclaimed_bytes}};
    co_return co_await call.json(200, std::move(document));
}

net::Task<Result<void>> update_volume(Call&) {
    co_return Error{
        Errc::Unavailable,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this "
        "node to swarm and try again."};
}

} // namespace

Json volume_document(const engine::VolumeInfo& info) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(info.created);
    Json document{{"CreatedAt", format_rfc3339(seconds)}, {"Driver", info.driver}};
    document["Labels"] = info.labels.empty() ? Json(nullptr) : codec::write(info.labels);
    document["Mountpoint"] = info.mountpoint;
    document["Name"] = info.name;
    document["Options"] = info.options.empty() ? Json(nullptr) : codec::write(info.options);
    document["Scope"] = "local";
    if (info.usage) {
        document["UsageData"] =
            Json{{"RefCount", info.usage->users}, {"Size", info.usage->size_bytes}};
    }
    return document;
}

void add_volume_routes(Router& router) {
    router.add("GET", "/volumes", Right::Read, list_volumes);
    router.add("GET", "/volumes/{name:.*}", Right::Read, inspect_volume);
    router.add("POST", "/volumes/create", Right::Write, create_volume);
    router.add("POST", "/volumes/prune", Right::Write, prune_volumes);
    router.add("PUT", "/volumes/{name:.*}", Right::Write, update_volume);
    router.add("DELETE", "/volumes/{name:.*}", Right::Write, remove_volume);
}

} // namespace shoal::api
