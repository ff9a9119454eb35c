// What this daemon is not: a member of a swarm, a host of plugins. Each of these operations exists
// and says so, with the status and sentence that clients know where Docker has one.
#include "api/call.h"
#include "api/router.h"

namespace shoal::api {
namespace {

constexpr auto not_a_manager =
    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
    "connect this node to swarm and try again.";
constexpr auto not_in_a_swarm = "This node is not part of a swarm";

net::Task<Result<void>> needs_manager(Call&) { co_return Error{Errc::Unavailable, not_a_manager}; }
net::Task<Result<void>> needs_swarm(Call&) { co_return Error{Errc::Unavailable, not_in_a_swarm}; }
net::Task<Result<void>> no_swarm_mode(Call&) {
    co_return unsupported(
        "swarm mode is not part of this release: this daemon runs containers on one machine");
}

net::Task<Result<void>> no_plugins(Call& call) { return call.json(200, Json::array()); }
net::Task<Result<void>> no_such_plugin(Call& call) {
    co_return Error{Errc::NotFound, "plugin \"" + call.param("name") + "\" not found"};
}
net::Task<Result<void>> no_plugin_support(Call&) {
    co_return unsupported("plugins are not supported");
}

net::Task<Result<void>> no_checkpoints(Call&) {
    co_return unsupported("checkpoints are not supported");
}

void add_swarm_objects(Router& router) {
    for (const std::string kind : {"services", "secrets", "configs"}) {
        router.add("GET", "/" + kind, Right::Read, needs_manager);
        router.add("POST", "/" + kind + "/create", Right::Write, needs_manager);
        router.add("GET", "/" + kind + "/{id}", Right::Read, needs_manager);
        router.add("DELETE", "/" + kind + "/{id}", Right::Write, needs_manager);
        router.add("POST", "/" + kind + "/{id}/update", Right::Write, needs_manager);
    }
    router.add("GET", "/services/{id}/logs", Right::Stream, needs_manager);
    router.add("GET", "/nodes", Right::Read, needs_manager);
    router.add("GET", "/nodes/{id}", Right::Read, needs_manager);
    router.add("DELETE", "/nodes/{id}", Right::Admin, needs_manager);
    router.add("POST", "/nodes/{id}/update", Right::Admin, needs_manager);
    router.add("GET", "/tasks", Right::Read, needs_manager);
    router.add("GET", "/tasks/{id}", Right::Read, needs_manager);
    router.add("GET", "/tasks/{id}/logs", Right::Stream, needs_manager);
}

void add_swarm(Router& router) {
    router.add("GET", "/swarm", Right::Read, needs_manager);
    router.add("POST", "/swarm/init", Right::Admin, no_swarm_mode);
    router.add("POST", "/swarm/join", Right::Admin, no_swarm_mode);
    router.add("POST", "/swarm/leave", Right::Admin, needs_swarm);
    router.add("POST", "/swarm/update", Right::Admin, needs_manager);
    router.add("GET", "/swarm/unlockkey", Right::Admin, needs_manager);
    router.add("POST", "/swarm/unlock", Right::Admin, needs_swarm);
}

void add_plugins(Router& router) {
    router.add("GET", "/plugins", Right::Read, no_plugins);
    router.add("GET", "/plugins/privileges", Right::Read, no_plugin_support);
    router.add("POST", "/plugins/pull", Right::Admin, no_plugin_support);
    router.add("POST", "/plugins/create", Right::Admin, no_plugin_support);
    router.add("GET", "/plugins/{name:.*}/json", Right::Read, no_such_plugin);
    router.add("DELETE", "/plugins/{name:.*}", Right::Admin, no_such_plugin);
    for (const std::string verb : {"enable", "disable", "upgrade", "push", "set"}) {
        router.add("POST", "/plugins/{name:.*}/" + verb, Right::Admin, no_such_plugin);
    }
}

} // namespace

void add_absent_routes(Router& router) {
    add_swarm(router);
    add_swarm_objects(router);
    add_plugins(router);
    router.add("GET", "/containers/{name:.*}/checkpoints", Right::Read, no_checkpoints);
    router.add("POST", "/containers/{name:.*}/checkpoints", Right::Write, no_checkpoints);
    router.add("DELETE", "/containers/{name}/checkpoints/{checkpoint}", Right::Write,
               no_checkpoints);
}

} // namespace shoal::api
