#include "base/filters.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

Filters parse(std::string_view text) {
    auto filters = Filters::parse(text);
    EXPECT_TRUE(filters) << text;
    return filters ? *filters : Filters{};
}

TEST(Filters, reads_both_forms_of_the_api) {
    EXPECT_EQ(parse(R"({"status":["running","exited"]})").values("status").size(), 2u);
    EXPECT_EQ(parse(R"({"status":{"running":true,"exited":false}})").values("status").size(), 1u);
    EXPECT_TRUE(parse("").empty());
    EXPECT_TRUE(parse("{}").empty());
    for (const auto* bad : {"[]", "{\"a\":1}", "{\"a\":[1]}", "{"}) {
        EXPECT_FALSE(Filters::parse(bad)) << bad;
    }
}

TEST(Filters, refuses_keys_nobody_knows) {
    const auto filters = parse(R"({"colour":["red"]})");
    EXPECT_EQ(filters.allow_only({"name"}).error().message, "invalid filter 'colour'");
    EXPECT_TRUE(filters.allow_only({"name", "colour"}));
}

TEST(Filters, matches_exactly_by_prefix_or_by_pattern) {
    const auto filters =
        parse(R"({"status":["running"],"id":["abc"],"name":["^/web"],"bad":["("]})");
    EXPECT_TRUE(filters.exact("status", "running"));
    EXPECT_FALSE(filters.exact("status", "exited"));
    EXPECT_TRUE(filters.exact("absent", "anything"));
    EXPECT_TRUE(filters.prefix("id", "abcdef"));
    EXPECT_FALSE(filters.prefix("id", "xabc"));
    EXPECT_TRUE(filters.fuzzy("name", "/web1"));
    EXPECT_FALSE(filters.fuzzy("name", "/myweb"));
    EXPECT_TRUE(filters.fuzzy("bad", "a(b"));
}

TEST(Filters, are_not_held_up_by_a_pattern) {
    Filters filters;
    filters.add("name", "(a*)*b");
    EXPECT_FALSE(filters.fuzzy("name", std::string(255, 'a')));
    EXPECT_TRUE(filters.fuzzy("name", std::string(255, 'a') + "b"));
}

TEST(Filters, requires_every_label) {
    const auto filters = parse(R"({"label":["a","b=2"]})");
    EXPECT_TRUE(filters.labels("label", {{"a", "x"}, {"b", "2"}}));
    EXPECT_FALSE(filters.labels("label", {{"a", "x"}, {"b", "3"}}));
    EXPECT_FALSE(filters.labels("label", {{"b", "2"}}));
}

TEST(Filters, reads_booleans_strictly) {
    EXPECT_TRUE(*parse(R"({"dangling":["1"]})").boolean("dangling", false));
    EXPECT_FALSE(*parse("{}").boolean("dangling", false));
    EXPECT_FALSE(parse(R"({"dangling":["maybe"]})").boolean("dangling", false));
}

} // namespace
} // namespace shoal
