#include "os/overlay.h"

#include "os/file.h"

#include <gtest/gtest.h>

namespace shoal::os {
namespace {

struct OverlayFs : testing::TestWithParam<bool> {
    TempDir dir = std::move(*TempDir::create());
    std::string make(const std::string& name) const {
        EXPECT_TRUE(ensure_directory(dir.path() + "/" + name));
        return dir.path() + "/" + name;
    }
    OverlayMount layers(int count, const std::string& prefix) const {
        OverlayMount mount;
        mount.without_fsopen = GetParam();
        for (int i = 0; i < count; ++i) {
            mount.lowers.push_back(make(prefix + std::to_string(i)));
            EXPECT_TRUE(write_file_atomic(mount.lowers.back() + "/name", std::to_string(i)));
            EXPECT_TRUE(write_file_atomic(mount.lowers.back() + "/f" + std::to_string(i), "x"));
        }
        mount.target = make("merged");
        return mount;
    }
};

} // namespace

TEST_P(OverlayFs, shows_the_topmost_file_and_keeps_changes_in_the_upper_directory) {
    auto mount = layers(3, "low");
    mount.upper = make("upper");
    mount.work = make("work");
    auto mounted = mount_overlay(mount);
    ASSERT_TRUE(mounted) << mounted.error().message;
    EXPECT_EQ(*read_file(mount.target + "/name"), "0");
    EXPECT_TRUE(exists(mount.target + "/f2"));
    EXPECT_TRUE(write_file_atomic(mount.target + "/new", "n"));
    EXPECT_TRUE(exists(mount.upper + "/new"));
    EXPECT_TRUE(mounted->unmount());
    EXPECT_FALSE(exists(mount.target + "/f2"));
}

TEST_P(OverlayFs, takes_as_many_layers_as_an_image_may_have_under_long_paths) {
    auto mount = layers(129, std::string(120, 'l') + "/" + std::string(120, 'm'));
    auto mounted = mount_overlay(mount);
    ASSERT_TRUE(mounted) << mounted.error().message;
    EXPECT_TRUE(exists(mount.target + "/f128"));
    EXPECT_FALSE(write_file_atomic(mount.target + "/new", "n"));
}

TEST_P(OverlayFs, says_what_is_missing) {
    auto mount = layers(1, "low");
    mount.lowers.push_back(dir.path() + "/absent");
    EXPECT_FALSE(mount_overlay(mount));
    EXPECT_FALSE(is_mount_point(mount.target));
}

INSTANTIATE_TEST_SUITE_P(Ways, OverlayFs, testing::Bool());

} // namespace shoal::os
