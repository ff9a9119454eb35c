#include "network/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::network {
namespace {

using ::testing::HasSubstr;

TEST(BridgeOptions, are_read_by_dockers_names) {
    const auto options =
        parse_bridge_options({{"com.docker.network.bridge.name", "br9"},
                              {"com.docker.network.bridge.enable_icc", "false"},
                              {"com.docker.network.bridge.enable_ip_masquerade", "0"},
                              {"com.docker.network.bridge.host_binding_ipv4", "127.0.0.1"},
                              {"com.docker.network.bridge.gateway_mode_ipv6", "routed"},
                              {"com.docker.network.container_iface_prefix", "net"},
                              {"com.docker.network.driver.mtu", "1400"}},
                             false);
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->bridge, "br9");
    EXPECT_FALSE(options->icc);
    EXPECT_FALSE(options->masquerade);
    EXPECT_EQ(options->host_binding, "127.0.0.1");
    EXPECT_EQ(options->gateway_v6, GatewayMode::Routed);
    EXPECT_EQ(options->interface_prefix, "net");
    EXPECT_EQ(options->mtu, 1400);
}

TEST(BridgeOptions, refuse_what_is_unknown_or_wrong_by_name) {
    EXPECT_THAT(
        parse_bridge_options({{"com.docker.network.bridge.nam", "x"}}, false).error().message,
        HasSubstr("\"com.docker.network.bridge.nam\""));
    EXPECT_THAT(
        parse_bridge_options({{"com.docker.network.driver.mtu", "many"}}, false).error().message,
        HasSubstr("\"many\""));
    EXPECT_FALSE(parse_bridge_options({{"com.docker.network.bridge.name", "a/b"}}, false));
    EXPECT_FALSE(
        parse_bridge_options({{"com.docker.network.bridge.gateway_mode_ipv4", "isolated"}}, false));
    EXPECT_TRUE(
        parse_bridge_options({{"com.docker.network.bridge.gateway_mode_ipv4", "isolated"}}, true));
}

TEST(VlanOptions, know_modes_and_sub_interfaces) {
    EXPECT_EQ(
        parse_vlan_options("macvlan", {{"parent", "eth0.10"}, {"macvlan_mode", "vepa"}})->mode,
        "vepa");
    EXPECT_FALSE(parse_vlan_options("macvlan", {{"macvlan_mode", "l3"}}));
    EXPECT_EQ(parse_vlan_options("ipvlan", {{"ipvlan_mode", "l3s"}})->mode, "l3s");
    EXPECT_EQ(parse_vlan_parent("eth0.10")->id, 10);
    EXPECT_EQ(parse_vlan_parent("eth0.10")->link, "eth0");
    EXPECT_FALSE(parse_vlan_parent("eth0"));
    EXPECT_FALSE(parse_vlan_parent("eth0.5000"));
}

TEST(EndpointOptions, take_an_interface_name_and_sysctls) {
    EXPECT_EQ(parse_endpoint_options({{"com.docker.network.endpoint.ifname", "wan0"}})->interface,
              "wan0");
    EXPECT_FALSE(parse_endpoint_options({{"com.docker.network.endpoint.ifname", "lo"}}));
    EXPECT_FALSE(parse_endpoint_options({{"com.docker.network.endpoint.sysctls", "kernel.x=1"}}));
    EXPECT_FALSE(parse_endpoint_options({{"other", "1"}}));
}

TEST(NetworkName, follows_dockers_rule) {
    EXPECT_TRUE(check_network_name("my.net_1-x"));
    for (const char* name : {"", " ", "-x", "a b", "a/b"}) {
        EXPECT_FALSE(check_network_name(name)) << name;
    }
}

} // namespace
} // namespace shoal::network
