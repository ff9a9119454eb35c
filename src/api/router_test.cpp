#include "api/router.h"

#include "api/call.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

net::Task<Result<void>> nothing(Call&) { co_return ok(); }

Router sample() {
    Router router;
    router.add("GET", "/containers/json", Right::Read, nothing);
    router.add("GET", "/containers/{name:.*}/json", Right::Read, nothing);
    router.add("GET", "/images/{name:.*}/json", Right::Read, nothing);
    router.add("GET", "/images/json", Right::Read, nothing);
    router.add("DELETE", "/images/{name:.*}", Right::Write, nothing);
    router.add("GET", "/images/get", Right::Stream, nothing);
    router.add("GET", "/images/{name:.*}/get", Right::Stream, nothing);
    router.add("GET", "/networks", Right::Read, nothing);
    router.add("GET", "/networks/{id}", Right::Read, nothing);
    router.add("GET", "/containers/{name}/attach/ws", Right::Exec, nothing);
    return router;
}

std::string pattern_of(const Router& router, std::string_view method, std::string_view path) {
    const auto match = router.find(method, path);
    return match.route == nullptr ? "" : match.route->pattern;
}

TEST(Router, prefers_literal_segments) {
    const auto router = sample();
    EXPECT_EQ(pattern_of(router, "GET", "/containers/json"), "/containers/json");
    EXPECT_EQ(pattern_of(router, "GET", "/images/get"), "/images/get");
    EXPECT_EQ(pattern_of(router, "GET", "/images/get/get"), "/images/{name:.*}/get");
}

TEST(Router, takes_names_with_slashes_greedily) {
    const auto router = sample();
    const auto match = router.find("GET", "/images/registry.example:5000/a/b:tag/json");
    ASSERT_NE(match.route, nullptr);
    EXPECT_EQ(match.route->pattern, "/images/{name:.*}/json");
    ASSERT_EQ(match.params.size(), 1u);
    EXPECT_EQ(match.params[0].first, "name");
    EXPECT_EQ(match.params[0].second, "registry.example:5000/a/b:tag");
}

TEST(Router, gives_the_whole_rest_to_a_last_greedy_name) {
    const auto match = sample().find("DELETE", "/images/a/b/c");
    ASSERT_NE(match.route, nullptr);
    EXPECT_EQ(match.params[0].second, "a/b/c");
}

TEST(Router, does_not_match_an_empty_name) {
    const auto router = sample();
    EXPECT_EQ(pattern_of(router, "GET", "/containers//json"), "");
    EXPECT_EQ(pattern_of(router, "GET", "/networks/"), "");
    EXPECT_EQ(pattern_of(router, "DELETE", "/images"), "");
}

TEST(Router, knows_nothing_of_wrong_methods_and_unknown_paths) {
    const auto router = sample();
    EXPECT_EQ(pattern_of(router, "POST", "/containers/json"), "");
    EXPECT_EQ(pattern_of(router, "GET", "/"), "");
    EXPECT_EQ(pattern_of(router, "GET", ""), "");
    EXPECT_EQ(pattern_of(router, "GET", "/nowhere"), "");
    EXPECT_EQ(pattern_of(router, "GET", "/networks/a/b"), "");
}

} // namespace
} // namespace shoal::api
