// Walks the whole table: every operation of the Engine API is there, has a handler and the right it
// needs.
#include "api/call.h"
#include "api/router.h"

#include <gtest/gtest.h>

#include <set>

namespace shoal::api {
namespace {

Router own_routes() {
    Router router;
    add_system_routes(router);
    add_absent_routes(router);
    add_volume_routes(router);
    add_image_routes(router);
    add_registry_routes(router);
    add_build_routes(router);
    add_build_session_routes(router);
    add_buildkit_routes(router);
    add_container_routes(router);
    add_exec_routes(router);
    add_network_routes(router);
    add_swarm_routes(router);
    return router;
}

const Route* route_of(const Router& router, std::string_view method, std::string_view path) {
    return router.find(method, path).route;
}

TEST(Routes, every_one_has_a_handler_and_a_right_that_fits_its_method) {
    for (const auto& route : own_routes().routes()) {
        EXPECT_NE(route.handler, nullptr) << route.pattern;
        EXPECT_FALSE(name_of(route.right).empty());
        if (route.method != "GET" && route.method != "HEAD") {
            EXPECT_TRUE(is_audited(route.right))
                << route.method << " " << route.pattern << " changes something unseen";
        }
    }
}

TEST(Routes, have_all_operations_of_a_node_outside_a_swarm) {
    const auto router = own_routes();
    const std::vector<std::pair<std::string, std::string>> expected{
        {"GET", "/_ping"},
        {"HEAD", "/_ping"},
        {"GET", "/version"},
        {"GET", "/info"},
        {"GET", "/events"},
        {"GET", "/system/df"},
        {"POST", "/auth"},
        {"POST", "/build"},
        {"POST", "/build/prune"},
        {"POST", "/session"},
        {"POST", "/grpc"},
        {"GET", "/distribution/a/b/json"},
        {"GET", "/images/search"},
        {"GET", "/swarm"},
        {"POST", "/swarm/init"},
        {"POST", "/swarm/join"},
        {"POST", "/swarm/leave"},
        {"POST", "/swarm/update"},
        {"GET", "/swarm/unlockkey"},
        {"POST", "/swarm/unlock"},
        {"GET", "/nodes"},
        {"GET", "/nodes/x"},
        {"DELETE", "/nodes/x"},
        {"POST", "/nodes/x/update"},
        {"GET", "/services"},
        {"POST", "/services/create"},
        {"GET", "/services/x"},
        {"DELETE", "/services/x"},
        {"POST", "/services/x/update"},
        {"GET", "/services/x/logs"},
        {"GET", "/tasks"},
        {"GET", "/tasks/x"},
        {"GET", "/tasks/x/logs"},
        {"GET", "/secrets"},
        {"POST", "/secrets/create"},
        {"GET", "/secrets/x"},
        {"DELETE", "/secrets/x"},
        {"POST", "/secrets/x/update"},
        {"GET", "/configs"},
        {"POST", "/configs/create"},
        {"GET", "/configs/x"},
        {"DELETE", "/configs/x"},
        {"POST", "/configs/x/update"},
        {"GET", "/plugins"},
        {"GET", "/plugins/privileges"},
        {"POST", "/plugins/pull"},
        {"GET", "/plugins/a/b/json"},
        {"DELETE", "/plugins/a/b"},
        {"POST", "/plugins/a/enable"},
        {"POST", "/plugins/a/disable"},
        {"POST", "/plugins/a/upgrade"},
        {"POST", "/plugins/create"},
        {"POST", "/plugins/a/push"},
        {"POST", "/plugins/a/set"},
        {"GET", "/volumes"},
        {"POST", "/volumes/create"},
        {"GET", "/volumes/x"},
        {"PUT", "/volumes/x"},
        {"DELETE", "/volumes/x"},
        {"POST", "/volumes/prune"},
        {"GET", "/containers/json"},
        {"POST", "/containers/create"},
        {"POST", "/containers/prune"},
        {"GET", "/containers/x/json"},
        {"GET", "/containers/x/top"},
        {"GET", "/containers/x/logs"},
        {"GET", "/containers/x/changes"},
        {"GET", "/containers/x/export"},
        {"GET", "/containers/x/stats"},
        {"POST", "/containers/x/resize"},
        {"POST", "/containers/x/start"},
        {"POST", "/containers/x/stop"},
        {"POST", "/containers/x/restart"},
        {"POST", "/containers/x/kill"},
        {"POST", "/containers/x/update"},
        {"POST", "/containers/x/rename"},
        {"POST", "/containers/x/pause"},
        {"POST", "/containers/x/unpause"},
        {"POST", "/containers/x/attach"},
        {"GET", "/containers/x/attach/ws"},
        {"POST", "/containers/x/wait"},
        {"DELETE", "/containers/x"},
        {"HEAD", "/containers/x/archive"},
        {"GET", "/containers/x/archive"},
        {"PUT", "/containers/x/archive"},
        {"POST", "/containers/x/exec"},
        {"POST", "/exec/x/start"},
        {"POST", "/exec/x/resize"},
        {"GET", "/exec/x/json"},
        {"GET", "/images/json"},
        {"POST", "/images/create"},
        {"GET", "/images/a/b/json"},
        {"GET", "/images/a/b/history"},
        {"POST", "/images/a/b/push"},
        {"POST", "/images/a/b/tag"},
        {"DELETE", "/images/a/b"},
        {"POST", "/images/prune"},
        {"POST", "/commit"},
        {"GET", "/images/a/b/get"},
        {"GET", "/images/get"},
        {"POST", "/images/load"},
        {"GET", "/networks"},
        {"GET", "/networks/x"},
        {"DELETE", "/networks/x"},
        {"POST", "/networks/create"},
        {"POST", "/networks/x/connect"},
        {"POST", "/networks/x/disconnect"},
        {"POST", "/networks/prune"},
    };
    for (const auto& [method, path] : expected) {
        EXPECT_NE(route_of(router, method, path), nullptr) << method << " " << path;
    }
}

TEST(Routes, ping_needs_no_more_than_ping) {
    const auto router = own_routes();
    EXPECT_EQ(route_of(router, "GET", "/_ping")->right, Right::Ping);
    EXPECT_EQ(route_of(router, "POST", "/swarm/init")->right, Right::Admin);
    EXPECT_EQ(route_of(router, "POST", "/shoal/swarm/backup")->right, Right::Admin);
    EXPECT_EQ(route_of(router, "POST", "/shoal/services/x/rebalance")->right, Right::Write);
    EXPECT_EQ(route_of(router, "POST", "/shoal/swarm/restore")->right, Right::Admin);
    EXPECT_EQ(route_of(router, "GET", "/volumes")->right, Right::Read);
    EXPECT_EQ(route_of(router, "DELETE", "/volumes/x")->right, Right::Write);
}

} // namespace
} // namespace shoal::api
