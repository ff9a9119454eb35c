#include "cli/option_values.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

template <class T> std::string shown(const Result<T>& result) {
    if (!result) { return "error: " + result.error().message; }
    if constexpr (std::is_same_v<T, Json>) {
        return dump_json(*result);
    } else {
        return std::to_string(*result);
    }
}

TEST(OptionValues, cpus_are_exact) {
    EXPECT_EQ(shown(parse_cpus("1.5")), "1500000000");
    EXPECT_EQ(shown(parse_cpus("1/2")), "500000000");
    EXPECT_EQ(shown(parse_cpus("1e-1")), "100000000");
    EXPECT_EQ(shown(parse_cpus("0.0000000001")), "error: value is too precise");
    EXPECT_EQ(shown(parse_cpus("1/3")), "error: value is too precise");
    EXPECT_EQ(shown(parse_cpus("x")), "error: failed to parse x as a rational number");
    EXPECT_EQ(shown(parse_cpus("1/0")), "error: failed to parse 1/0 as a rational number");
}

TEST(OptionValues, capabilities_have_their_full_name_once) {
    EXPECT_EQ(effective_capabilities({"net_admin", "ALL", "CAP_NET_ADMIN"}),
              (std::vector<std::string>{"ALL", "CAP_NET_ADMIN"}));
}

TEST(OptionValues, limits_of_devices) {
    EXPECT_EQ(shown(parse_weight_device("/dev/sda:200")), R"({"Path":"/dev/sda","Weight":200})");
    EXPECT_EQ(shown(parse_weight_device("/dev/sda:5")),
              "error: invalid weight for device: /dev/sda:5");
    EXPECT_EQ(shown(parse_weight_device("sda:500")), "error: bad format for device path: sda:500");
    EXPECT_EQ(shown(parse_throttle_bytes("/dev/sda:1mb")), R"({"Path":"/dev/sda","Rate":1048576})");
    EXPECT_EQ(shown(parse_device_rule("c 1:3 rwm")), "\"c 1:3 rwm\"");
    EXPECT_EQ(shown(parse_device_rule("x 1:3 rwm")),
              "error: invalid device cgroup format 'x 1:3 rwm'");
}

TEST(OptionValues, ulimits) {
    EXPECT_EQ(shown(parse_ulimit("nofile=5:6")), R"({"Name":"nofile","Soft":5,"Hard":6})");
    EXPECT_EQ(shown(parse_ulimit("core=0")), R"({"Name":"core","Soft":0,"Hard":0})");
    EXPECT_EQ(shown(parse_ulimit("foo=1")), "error: invalid ulimit type: foo");
    EXPECT_EQ(shown(parse_ulimit("nofile=6:5")),
              "error: ulimit soft limit must be less than or equal to hard limit: 6 > 5");
}

TEST(OptionValues, devices) {
    EXPECT_EQ(
        shown(parse_device("/dev/null")),
        R"({"PathOnHost":"/dev/null","PathInContainer":"/dev/null","CgroupPermissions":"rwm"})");
    EXPECT_EQ(shown(parse_device("/dev/full:/dev/f:r")),
              R"({"PathOnHost":"/dev/full","PathInContainer":"/dev/f","CgroupPermissions":"r"})");
    EXPECT_EQ(shown(parse_device("/dev/null:x:y")), "error: invalid device mode: y");
    EXPECT_TRUE(is_cdi_device("vendor.com/class=name"));
    EXPECT_FALSE(is_cdi_device("/dev/null"));
}

TEST(OptionValues, networks) {
    auto option = parse_network("name=foo,alias=a,alias=b,ip=1.2.3.4,driver-opt=k=v,gw-priority=5");
    ASSERT_TRUE(option);
    EXPECT_EQ(option->name, "foo");
    EXPECT_EQ(option->aliases, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(option->ip, "1.2.3.4");
    EXPECT_EQ(option->priority, 5);
    EXPECT_EQ(parse_network("plain")->name, "plain");
    EXPECT_EQ(parse_network("alias=x").error().message, "network name/id is not specified");
    EXPECT_EQ(parse_network("name=foo,bad=1").error().message, "invalid field key bad");
}

TEST(OptionValues, gpus) {
    EXPECT_EQ(shown(parse_gpus("all")),
              R"({"Driver":"","Count":-1,"DeviceIDs":null,"Capabilities":[["gpu"]],"Options":{}})");
    EXPECT_EQ(
        shown(parse_gpus("\"device=0,1\",capabilities=utility")),
        R"({"Driver":"","Count":0,"DeviceIDs":["0","1"],"Capabilities":[["utility","gpu"]],"Options":{}})");
    EXPECT_EQ(
        shown(parse_gpus("count=x")),
        "error: invalid count (x): value must be either \"all\" or an integer: invalid syntax");
}

} // namespace
} // namespace shoal::cli
