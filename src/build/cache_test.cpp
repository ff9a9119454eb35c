#include "build/cache.h"
#include "build/remote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::build {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

CacheRecord record(const std::string& id, std::int64_t size, int used_at, bool shared = false) {
    CacheRecord one;
    one.id = id;
    one.type = "regular";
    one.size_bytes = size;
    one.last_used = Instant(std::chrono::seconds(used_at));
    one.shared = shared;
    return one;
}

TEST(KeyMaker, tells_lists_apart_that_have_the_same_letters) {
    const auto key = [](std::vector<std::string> parts) {
        KeyMaker maker;
        for (const auto& part : parts) { maker.add(part); }
        return maker.finish();
    };
    EXPECT_NE(key({"ab", "c"}), key({"a", "bc"}));
    EXPECT_NE(key({"a", ""}), key({"a"}));
    EXPECT_NE(key({"1:a"}), key({"", "a"}));
    EXPECT_EQ(key({"a", "b"}), key({"a", "b"}));
}

TEST(CachePrune, takes_the_longest_unused_first_until_enough_is_kept) {
    const std::vector<CacheRecord> all{record("new", 10, 300), record("old", 10, 100),
                                       record("middle", 10, 200)};
    PruneRequest request;
    EXPECT_THAT(plan_cache_prune(all, request, {"new", "old", "middle"}),
                ElementsAre("old", "middle", "new"));
    request.keep_bytes = 15;
    EXPECT_THAT(plan_cache_prune(all, request, {"new", "old", "middle"}),
                ElementsAre("old", "middle"));
    request.keep_bytes = 100;
    EXPECT_THAT(plan_cache_prune(all, request, {"new", "old", "middle"}), IsEmpty());
}

TEST(CachePrune, leaves_what_is_in_use_and_what_images_share) {
    auto busy = record("busy", 10, 1);
    busy.in_use = true;
    const std::vector<CacheRecord> all{busy, record("shared", 10, 2, true), record("free", 10, 3)};
    PruneRequest request;
    EXPECT_THAT(plan_cache_prune(all, request, {"busy", "shared", "free"}), ElementsAre("free"));
    request.all = true;
    EXPECT_THAT(plan_cache_prune(all, request, {"busy", "shared", "free"}),
                ElementsAre("shared", "free"));
    EXPECT_THAT(plan_cache_prune(all, request, {"shared"}), ElementsAre("shared"));
}

TEST(CachePrune, filters_by_age_type_and_id) {
    const Instant now{std::chrono::hours(100)};
    auto one = record("abc", 1, 0);
    one.last_used = now - std::chrono::hours(5);
    const auto lets = [&](const std::string& key, const std::string& value) {
        Filters filters;
        filters.add(key, value);
        return *passes(one, filters, now);
    };
    EXPECT_TRUE(lets("until", "2h"));
    EXPECT_FALSE(lets("until", "24h"));
    EXPECT_TRUE(lets("type", "regular"));
    EXPECT_FALSE(lets("type", "exec.cachemount"));
    EXPECT_TRUE(lets("id", "ab"));
    EXPECT_FALSE(lets("id", "x"));
    EXPECT_TRUE(lets("inuse", "false"));
    EXPECT_FALSE(lets("shared", "true"));
    Filters unknown;
    unknown.add("colour", "red");
    EXPECT_FALSE(passes(one, unknown, now).has_value());
}

TEST(GitAddress, is_told_from_other_addresses) {
    const auto parts = [](std::string_view text) {
        const auto parsed = parse_git_address(text);
        EXPECT_TRUE(parsed.has_value());
        return parsed && *parsed ? **parsed : GitAddress{};
    };
    EXPECT_EQ(parts("https://h/r.git#v1:sub/dir"),
              (GitAddress{"https://h/r.git", "v1", "sub/dir"}));
    EXPECT_EQ(parts("git@h:o/r"), (GitAddress{"git@h:o/r", "", ""}));
    EXPECT_EQ(parts("git://h/r#:d"), (GitAddress{"git://h/r", "", "d"}));
    EXPECT_FALSE(parse_git_address("https://h/file.tar.gz")->has_value());
    EXPECT_FALSE(parse_git_address("./dir")->has_value());
}

TEST(GitAddress, cannot_lead_out_or_smuggle_an_option) {
    EXPECT_FALSE(parse_git_address("https://h/r.git#main:../etc").has_value());
    EXPECT_FALSE(parse_git_address("https://h/r.git#--upload-pack=x").has_value());
}

TEST(HttpDate, is_read_or_is_the_epoch) {
    const auto seconds = [](std::string_view text) {
        return parse_http_date(text).time_since_epoch() / std::chrono::seconds(1);
    };
    EXPECT_EQ(seconds("Wed, 21 Oct 2015 07:28:00 GMT"), 1445412480);
    for (const char* text : {"", "yesterday", "Wed, 21 Foo 2015 07:28:00 GMT", "a b c d e f"}) {
        EXPECT_EQ(seconds(text), 0) << text;
    }
}

} // namespace
} // namespace shoal::build
