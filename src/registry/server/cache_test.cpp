#include "base/json.h"
#include "blob/hash.h"
#include "os/clock.h"
#include "os/file.h"
#include "registry/server/cache.h"
#include "registry/server/cache_files.h"
#include "registry/server/cache_upkeep.h"

#include <gtest/gtest.h>

namespace shoal::registry {
namespace {

Result<std::vector<Upstream>> parsed(const char* text) {
    const auto json = parse_json(text);
    return parse_upstreams(*json);
}

TEST(Upstreams, the_longest_prefix_counts_and_a_path_comes_before_the_name) {
    const auto all = parsed(R"([{"prefix":"a/","url":"https://one.example"},
                                {"prefix":"a/b/","url":"https://two.example:5000/m/n"}])");
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_EQ(remote_path(*find_upstream(*all, "a/x/y"), "a/x/y"), "x/y");
    EXPECT_EQ(remote_path(*find_upstream(*all, "a/b/y"), "a/b/y"), "m/n/y");
    EXPECT_EQ(find_upstream(*all, "ab/y"), nullptr);
    EXPECT_EQ(find_upstream(*all, "a"), nullptr);
}

TEST(Upstreams, plain_http_must_be_wanted) {
    EXPECT_FALSE(parsed(R"([{"prefix":"a/","url":"http://one.example"}])"));
    EXPECT_TRUE(parsed(R"([{"prefix":"a/","url":"http://one.example","insecure":true}])"));
}

TEST(Upstreams, a_prefix_is_there_once) {
    EXPECT_FALSE(
        parsed(R"([{"prefix":"a/","url":"https://x"},{"prefix":"a/","url":"https://y"}])"));
}

class CacheFiles : public ::testing::Test {
  protected:
    CacheFiles() : directory_(*os::TempDir::create()), root_(directory_.path() + "/cache") {
        EXPECT_TRUE(cache_files::prepare(root_));
    }
    oci::Digest keep(const std::string& name, const std::string& bytes) {
        const auto digest = blob::hash(bytes);
        const std::string file = cache_files::temporary(root_, 1);
        EXPECT_TRUE(os::write_file_atomic(file, bytes));
        EXPECT_TRUE(cache_files::keep_blob(root_, name, digest, file));
        return digest;
    }
    os::TempDir directory_;
    std::string root_;
};

TEST_F(CacheFiles, a_blob_belongs_to_the_repositories_that_were_given_it) {
    const auto digest = keep("hub/a", "bytes");
    EXPECT_TRUE(cache_files::open_blob(root_, "hub/a", digest));
    EXPECT_FALSE(cache_files::open_blob(root_, "hub/b", digest));
    EXPECT_TRUE(cache_files::link_blob(root_, "hub/b", digest));
    EXPECT_EQ(cache_files::open_blob(root_, "hub/b", digest)->size, 5);
}

using cache_upkeep::Act;
using cache_upkeep::Kept;
using cache_upkeep::Kind;

TEST_F(CacheFiles, what_nobody_has_read_for_long_goes_and_its_bytes_with_the_last_name) {
    const auto digest = keep("hub/a", "bytes");
    ASSERT_TRUE(cache_files::link_blob(root_, "lab/b", digest));
    const Instant now = os::SystemClock().now();
    const auto tidy = [&](std::chrono::hours hub, std::chrono::hours lab) {
        cache_upkeep::Rules rules;
        rules.unread_since = [=](const std::string& name) {
            return now + (name.starts_with("hub/") ? hub : lab);
        };
        return cache_upkeep::tidy(root_, rules, Act::Remove)->removed_bytes;
    };
    const std::chrono::hours hour(1);
    EXPECT_EQ(tidy(-hour, -hour), 0);
    EXPECT_TRUE(cache_files::open_blob(root_, "hub/a", digest));
    EXPECT_EQ(tidy(hour, -hour), 0);
    EXPECT_FALSE(cache_files::open_blob(root_, "hub/a", digest));
    EXPECT_TRUE(cache_files::open_blob(root_, "lab/b", digest));
    EXPECT_EQ(tidy(hour, hour), 5);
    EXPECT_FALSE(cache_files::link_blob(root_, "hub/a", digest));
}

TEST_F(CacheFiles, the_longest_prefix_says_how_long_and_the_usual_time_is_for_what_none_covers) {
    const auto all = parsed(R"([{"prefix":"a/","url":"https://one.example","keep":"1h"},
                                {"prefix":"a/b/","url":"https://two.example","keep":"9d"}])");
    const Instant now = os::SystemClock().now();
    const auto rules = cache_upkeep::rules_of(*all, now);
    EXPECT_EQ(rules.unread_since("a/x"), now - std::chrono::hours(1));
    EXPECT_EQ(rules.unread_since("a/b/x"), now - std::chrono::hours(9 * 24));
    EXPECT_EQ(rules.unread_since("gone/x"), now - std::chrono::hours(30 * 24));
}

TEST_F(CacheFiles, what_is_held_is_counted_by_upstream_and_once_in_all) {
    const auto all = parsed(R"([{"prefix":"hub/","url":"https://one.example"}])");
    const auto digest = keep("hub/a", "bytes");
    ASSERT_TRUE(cache_files::link_blob(root_, "lab/b", digest));
    ASSERT_TRUE(cache_files::save_manifest(root_, "hub/a", {blob::hash("{}"), "x", "{}"}));
    const auto held = cache_upkeep::measure(root_, *all);
    ASSERT_EQ(held->upstreams.size(), 2U);
    EXPECT_EQ(held->upstreams[0].prefix, "");
    EXPECT_EQ(held->upstreams[0].bytes, 5);
    EXPECT_EQ(held->upstreams[1].bytes, 9);
    EXPECT_EQ(held->upstreams[1].blobs, 1U);
    EXPECT_EQ(held->upstreams[1].manifests, 1U);
    EXPECT_EQ(held->bytes, 9);
}

TEST(CacheRoom, the_least_recently_read_goes_but_not_tags_nor_what_is_being_served) {
    const Instant start;
    const auto at = [&](int hour) { return start + std::chrono::hours(hour); };
    const std::vector<Kept> all{{Kind::Blob, "newest", 40, at(9), {"a"}, true},
                                {Kind::Tag, "tag", 1, at(1), {"a"}},
                                {Kind::Blob, "served", 40, at(2), {"a"}, true},
                                {Kind::Manifest, "older", 10, at(3), {"b"}},
                                {Kind::Blob, "old", 40, at(4), {"a", "b"}, true}};
    cache_upkeep::Rules rules;
    rules.unread_since = [&](const std::string&) { return start; };
    rules.in_use = {"served"};
    const auto gone = [&](std::int64_t bytes_max) {
        rules.bytes_max = bytes_max;
        std::string items;
        for (const auto& one : cache_upkeep::plan_removals(all, rules)) {
            EXPECT_TRUE(one.whole);
            EXPECT_EQ(one.repositories, one.kept->repositories);
            items += one.kept->item + " ";
        }
        return items;
    };
    EXPECT_EQ(gone(0), "");
    EXPECT_EQ(gone(131), "");
    EXPECT_EQ(gone(130), "older old ");
    EXPECT_EQ(gone(100), "older old ");
    EXPECT_EQ(gone(1), "older old newest ");
}

TEST_F(CacheFiles, a_damaged_manifest_is_not_served) {
    const std::string bytes = "{}";
    const StoredManifest manifest{blob::hash(bytes), "text/x", bytes};
    ASSERT_TRUE(cache_files::save_manifest(root_, "hub/a", manifest));
    EXPECT_EQ(cache_files::load_manifest(root_, "hub/a", manifest.digest)->media_type, "text/x");
    const std::string file =
        root_ + "/repositories/hub/a/_manifests/sha256-" + manifest.digest.hex();
    ASSERT_TRUE(os::write_file_atomic(file, "text/x\n{ }"));
    EXPECT_FALSE(cache_files::load_manifest(root_, "hub/a", manifest.digest));
}

} // namespace
} // namespace shoal::registry
