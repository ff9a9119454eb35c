#include "api/version.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

TEST(Version, an_unversioned_path_means_the_newest) {
    const auto split = split_version("/containers/json");
    ASSERT_TRUE(split);
    EXPECT_EQ(split->version, api_version_max);
    EXPECT_FALSE(split->versioned);
    EXPECT_EQ(split->path, "/containers/json");
}

TEST(Version, takes_every_version_from_24_to_51) {
    for (int minor = 24; minor <= 51; ++minor) {
        const auto path = "/v1." + std::to_string(minor) + "/info";
        const auto split = split_version(path);
        ASSERT_TRUE(split) << path;
        EXPECT_EQ(split->version, 100 + minor);
        EXPECT_TRUE(split->versioned);
        EXPECT_EQ(split->path, "/info");
    }
}

TEST(Version, refuses_too_old_and_too_new_in_the_words_that_clients_know) {
    EXPECT_EQ(
        split_version("/v1.12/info").error().message,
        "client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a "
        "newer version");
    EXPECT_EQ(split_version("/v1.52/info").error().message,
              "client version 1.52 is too new. Maximum supported API version is 1.51");
    EXPECT_FALSE(split_version("/v2.0/info"));
    EXPECT_FALSE(split_version("/v1.1000/info"));
    EXPECT_FALSE(split_version("/v1/info"));
    EXPECT_FALSE(split_version("/v0.9/info"));
    EXPECT_FALSE(split_version("/v99999999999999999999.1/info"));
}

TEST(Version, the_minimum_can_be_raised) {
    EXPECT_FALSE(split_version("/v1.40/info", 144));
    EXPECT_TRUE(split_version("/v1.44/info", 144));
}

TEST(Version, other_paths_that_begin_with_v_are_no_versions) {
    EXPECT_EQ(split_version("/volumes/create")->path, "/volumes/create");
    EXPECT_EQ(split_version("/vx.1/info")->path, "/vx.1/info");
    EXPECT_EQ(split_version("/v/info")->path, "/v/info");
    EXPECT_EQ(split_version("/version")->path, "/version");
}

TEST(Version, prints_as_text) {
    EXPECT_EQ(version_text(151), "1.51");
    EXPECT_EQ(version_text(124), "1.24");
}

} // namespace
} // namespace shoal::api
