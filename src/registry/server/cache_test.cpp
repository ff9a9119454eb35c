#include "base/json.h"
#include "blob/hash.h"
#include "os/clock.h"
#include "os/file.h"
#include "registry/server/cache.h"
#include "registry/server/cache_files.h"

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

TEST_F(CacheFiles, what_nobody_has_read_for_long_goes_and_its_bytes_with_the_last_name) {
    const auto digest = keep("hub/a", "bytes");
    ASSERT_TRUE(cache_files::link_blob(root_, "lab/b", digest));
    const Instant now = os::SystemClock().now();
    ASSERT_TRUE(cache_files::remove_unread(root_, "hub/", now - std::chrono::hours(1)));
    EXPECT_TRUE(cache_files::open_blob(root_, "hub/a", digest));
    ASSERT_TRUE(cache_files::remove_unread(root_, "hub/", now + std::chrono::hours(1)));
    ASSERT_TRUE(cache_files::remove_unnamed(root_));
    EXPECT_FALSE(cache_files::open_blob(root_, "hub/a", digest));
    EXPECT_TRUE(cache_files::open_blob(root_, "lab/b", digest));
    ASSERT_TRUE(cache_files::remove_unread(root_, "lab/", now + std::chrono::hours(1)));
    ASSERT_TRUE(cache_files::remove_unnamed(root_));
    EXPECT_FALSE(cache_files::link_blob(root_, "hub/a", digest));
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
