// Walks the whole table: every operation of the Engine API is there, has a handler and the right it needs.
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
            EXPECT_TRUE(is_audited(route.right)) << route.method << " " << route.pattern << " changes something unseen";
        }
    }
}

TEST(Routes, have_all_operations_of_a_node_outside_a_swarm) {
    const auto router = own_routes();
    const std::vector<std::pair<std::string, std::string>> expected{
        {"GET", "/_ping"}, {"HEAD", "/_ping"}, {"GET", "/version"}, {"GET", "/info"}, {"GET", "/events"},
        {"GET", "/system/df"}, {"POST", "/auth"}, {"POST", "/build"}, {"POST", "/build/prune"}, {"POST", "/session"},
        {"GET", "/distribution/a/b/json"}, {"GET", "/images/search"},
        {"GET", "/swarm"}, {"POST", "/swarm/init"}, {"POST", "/swarm/join"}, {"POST", "/swarm/leave"},
        {"POST", "/swarm/update"}, {"GET", "/swarm/unlockkey"}, {"POST", "/swarm/unlock"},
        {"GET", "/nodes"}, {"GET", "/nodes/x"}, {"DELETE", "/nodes/x"}, {"POST", "/nodes/x/update"},
        {"GET", "/services"}, {"POST", "/services/create"}, {"GET", "/services/x"}, {"DELETE", "/services/x"},
        {"POST", "/services/x/update"}, {"GET", "/services/x/logs"},
        {"GET", "/tasks"}, {"GET", "/tasks/x"}, {"GET", "/tasks/x/logs"},
        {"GET", "/secrets"}, {"POST", "/secrets/create"}, {"GET", "/secrets/x"}, {"DELETE", "/secrets/x"},
        {"POST", "/secrets/x/update"}, {"GET", "/configs"}, {"POST", "/configs/create"}, {"GET", "/configs/x"},
        {"DELETE", "/configs/x"}, {"POST", "/configs/x/update"},
        {"GET", "/plugins"}, {"GET", "/plugins/privileges"}, {"POST", "/plugins/pull"}, {"GET", "/plugins/a/b/json"},
        {"DELETE", "/plugins/a/b"}, {"POST", "/plugins/a/enable"}, {"POST", "/plugins/a/disable"},
        {"POST", "/plugins/a/upgrade"}, {"POST", "/plugins/create"}, {"POST", "/plugins/a/push"},
        {"POST", "/plugins/a/set"},
        {"GET", "/volumes"}, {"POST", "/volumes/create"}, {"GET", "/volumes/x"}, {"PUT", "/volumes/x"},
        {"DELETE", "/volumes/x"}, {"POST", "/volumes/prune"},
    };
    for (const auto& [method, path] : expected) { EXPECT_NE(route_of(router, method, path), nullptr) << method << " " << path; }
}

TEST(Routes, ping_needs_no_more_than_ping) {
    const auto router = own_routes();
    EXPECT_EQ(route_of(router, "GET", "/_ping")->right, Right::Ping);
    EXPECT_EQ(route_of(router, "POST", "/swarm/init")->right, Right::Admin);
    EXPECT_EQ(route_of(router, "GET", "/volumes")->right, Right::Read);
    EXPECT_EQ(route_of(router, "DELETE", "/volumes/x")->right, Right::Write);
}

} // namespace
} // namespace shoal::api
