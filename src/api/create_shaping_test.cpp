#include "api/create_shaping.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

container::CreateRequest request() {
    container::CreateRequest request;
    request.config.image = "busybox";
    return request;
}

TEST(CreateShaping, gives_old_clients_their_old_defaults) {
    auto old = request();
    ASSERT_TRUE(shape_create(old, 124));
    EXPECT_EQ(old.host_config.ipc_mode, "shareable");
    EXPECT_EQ(old.host_config.cgroupns_mode, "host");
    auto now = request();
    ASSERT_TRUE(shape_create(now, 151));
    EXPECT_EQ(now.host_config, request().host_config);
}

TEST(CreateShaping, drops_what_a_version_did_not_have) {
    auto old = request();
    old.host_config.console_size = {24, 80};
    old.host_config.annotations["a"] = "b";
    old.host_config.resources.pids_limit = 10;
    ASSERT_TRUE(shape_create(old, 139));
    EXPECT_TRUE(old.host_config.console_size.empty());
    EXPECT_TRUE(old.host_config.annotations.empty());
    EXPECT_FALSE(old.host_config.resources.pids_limit);
    auto now = request();
    now.host_config.resources.kernel_memory = 1 << 20;
    ASSERT_TRUE(shape_create(now, 142));
    EXPECT_EQ(now.host_config.resources.kernel_memory, 0);
}

TEST(CreateShaping, moves_the_address_of_the_container_to_its_main_endpoint) {
    auto old = request();
    old.config.mac_address = "02:42:00:00:00:01";
    ASSERT_TRUE(shape_create(old, 143));
    EXPECT_EQ(old.networking_config.endpoints_config["bridge"].mac_address, "02:42:00:00:00:01");
    auto now = request();
    now.config.mac_address = "02:42:00:00:00:01";
    now.host_config.network_mode = "backend";
    const auto warnings = shape_create(now, 144);
    ASSERT_TRUE(warnings);
    EXPECT_EQ(warnings->size(), 1u);
    EXPECT_EQ(now.networking_config.endpoints_config["backend"].mac_address, "02:42:00:00:00:01");
    auto two = request();
    two.config.mac_address = "02:42:00:00:00:01";
    two.networking_config.endpoints_config["bridge"].mac_address = "02:42:00:00:00:02";
    EXPECT_EQ(shape_create(two, 144).error().code, Errc::Invalid);
}

TEST(CreateShaping, allows_several_endpoints_from_1_44_on) {
    auto both = request();
    both.networking_config.endpoints_config["a"];
    both.networking_config.endpoints_config["b"];
    EXPECT_EQ(shape_create(both, 143).error().code, Errc::Invalid);
    EXPECT_TRUE(shape_create(both, 144));
}

TEST(CreateShaping, refuses_what_would_silently_mean_something_else) {
    auto subpath = request();
    container::MountSpec mount;
    mount.type = "volume";
    mount.volume_options.emplace().subpath = "inner";
    subpath.host_config.mounts.push_back(mount);
    EXPECT_EQ(shape_create(subpath, 144).error().code, Errc::Invalid);
    EXPECT_TRUE(shape_create(subpath, 145));
}

} // namespace
} // namespace shoal::api
