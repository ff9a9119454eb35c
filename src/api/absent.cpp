// What this daemon is not: a host of plugins, a keeper of checkpoints. Each of these operations exists
// and says so, with the status and sentence that clients know where Docker has one.
#include "api/call.h"
#include "api/router.h"

namespace shoal::api {
namespace {

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
    add_plugins(router);
    router.add("GET", "/containers/{name:.*}/checkpoints", Right::Read, no_checkpoints);
    router.add("POST", "/containers/{name:.*}/checkpoints", Right::Write, no_checkpoints);
    router.add("DELETE", "/containers/{name}/checkpoints/{checkpoint}", Right::Write,
               no_checkpoints);
}

} // namespace shoal::api
