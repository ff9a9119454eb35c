#include "base/json.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

TEST(Json, keeps_the_order_of_members) {
    const auto json = parse_json(R"({"b":1,"a":[true,null,"x",-2,1.5]})");
    ASSERT_TRUE(json);
    EXPECT_EQ(dump_json(*json), R"({"b":1,"a":[true,null,"x",-2,1.5]})");
}

TEST(Json, refuses_duplicate_keys) {
    const auto json = parse_json(R"({"a":{"k":1,"k":2}})");
    ASSERT_FALSE(json);
    EXPECT_EQ(json.error().message, "invalid JSON: duplicate key \"k\"");
}

TEST(Json, refuses_trailing_bytes_and_truncation) {
    EXPECT_FALSE(parse_json("{} x"));
    EXPECT_FALSE(parse_json("{\"a\":"));
    EXPECT_FALSE(parse_json(""));
}

TEST(Json, limits_depth_and_size) {
    EXPECT_TRUE(parse_json(std::string(64, '[') + std::string(64, ']')));
    EXPECT_FALSE(parse_json(std::string(65, '[') + std::string(65, ']')));
    EXPECT_FALSE(parse_json(std::string(1'000'000, '[')));
    EXPECT_FALSE(parse_json("[1,2,3]", {.bytes_max = 3}));
}

TEST(Json, refuses_invalid_utf8) { EXPECT_FALSE(parse_json("\"\xff\"")); }

TEST(Json, prints_invalid_utf8_as_replacement_characters) {
    EXPECT_EQ(dump_json(Json("a\xff")), "\"a\xef\xbf\xbd\"");
}

} // namespace
} // namespace shoal
