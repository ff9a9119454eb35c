#include "volume/mount_plan.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

namespace shoal::volume {
namespace {

TEST(MountPlan, options_are_three_words_and_two_of_them_needed) {
    EXPECT_TRUE(check_options({}));
    EXPECT_TRUE(check_options({{"type", "tmpfs"}, {"device", "tmpfs"}}));
    EXPECT_EQ(check_options({{"typ", "tmpfs"}}).error().message, "invalid option: \"typ\"");
    EXPECT_EQ(check_options({{"type", "tmpfs"}}).error().message,
              "missing required option: \"device\"");
    EXPECT_EQ(check_options({{"o", "bind"}, {"device", "/x"}}).error().message,
              "missing required option: \"type\"");
    EXPECT_FALSE(check_options({{"size", "10m"}}));
}

TEST(MountPlan, a_bind_needs_an_absolute_device) {
    EXPECT_TRUE(check_options({{"type", "none"}, {"o", "bind"}, {"device", "/srv"}}));
    EXPECT_FALSE(check_options({{"type", "none"}, {"o", "bind"}, {"device", "srv"}}));
}

TEST(MountPlan, words_become_flags_and_the_rest_is_data) {
    const auto plan = plan_mount(
        {{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=10m,ro,nosuid,uid=1000,rw"}});
    EXPECT_EQ(plan.flags, static_cast<unsigned long>(MS_NOSUID)); // the last of ro and rw counts
    EXPECT_EQ(plan.data, "size=10m,uid=1000");
    EXPECT_FALSE(plan.is_bind());
    EXPECT_FALSE(plan.is_remote());
}

TEST(MountPlan, propagation_is_a_call_of_its_own) {
    const auto plan = plan_mount({{"type", "none"}, {"device", "/srv"}, {"o", "rbind,ro,rslave"}});
    EXPECT_TRUE(plan.is_bind());
    EXPECT_EQ(plan.flags, static_cast<unsigned long>(MS_BIND | MS_REC | MS_RDONLY));
    EXPECT_EQ(plan.propagation, static_cast<unsigned long>(MS_SLAVE | MS_REC));
    EXPECT_EQ(plan.data, "");
}

TEST(MountPlan, nfs_gets_its_server_as_a_number) {
    const auto plan = plan_mount(
        {{"type", "nfs"}, {"device", ":/export"}, {"o", "addr=files.example,rw,vers=4"}});
    EXPECT_TRUE(plan.is_remote());
    EXPECT_EQ(plan.address, "files.example");
    EXPECT_EQ(data_with_address(plan, "192.0.2.7"), "addr=192.0.2.7,vers=4");
    const auto named =
        plan_mount({{"type", "nfs4"}, {"device", "files.example:/export"}, {"o", "soft"}});
    EXPECT_EQ(named.address, "files.example");
    EXPECT_EQ(data_with_address(named, "192.0.2.7"), "soft,addr=192.0.2.7");
    EXPECT_FALSE(check_options({{"type", "nfs"}, {"device", ":/export"}}));
}

} // namespace
} // namespace shoal::volume
