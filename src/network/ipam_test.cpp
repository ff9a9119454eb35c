#include "network/ipam.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::network {
namespace {

using ::testing::HasSubstr;

AddressPlan plan() {
    AddressPlan plan;
    plan.pools = docker_address_pools();
    plan.ula = ula_of("a machine");
    return plan;
}

TEST(Ipam, takes_the_first_default_pool_that_is_free_of_networks_and_host_routes) {
    auto wide = plan();
    wide.networks = {*Subnet::parse("172.17.0.0/16")};
    wide.avoid = {*Subnet::parse("172.18.3.0/24")};
    const auto pools = plan_pools({}, Definition{}, wide);
    ASSERT_TRUE(pools);
    ASSERT_EQ(pools->size(), 1u);
    EXPECT_EQ(pools->front().subnet, "172.19.0.0/16");
    EXPECT_EQ(pools->front().gateway, "172.19.0.1");
}

TEST(Ipam, goes_on_with_192_168_in_pieces_of_20_bits_and_ends_with_dockers_words) {
    auto full = plan();
    full.networks = {*Subnet::parse("172.16.0.0/12")};
    EXPECT_EQ(plan_pools({}, Definition{}, full)->front().subnet, "192.168.0.0/20");
    full.networks.push_back(*Subnet::parse("192.168.0.0/16"));
    EXPECT_EQ(plan_pools({}, Definition{}, full).error().message,
              "all predefined address pools have been fully subnetted");
}

TEST(Ipam, refuses_a_subnet_that_meets_another_network) {
    auto taken = plan();
    taken.networks = {*Subnet::parse("10.0.0.0/16")};
    const auto pools = plan_pools({{.subnet = "10.0.3.0/24"}}, Definition{}, taken);
    ASSERT_FALSE(pools);
    EXPECT_EQ(pools.error().code, Errc::Forbidden);
    EXPECT_THAT(pools.error().message,
                HasSubstr("Pool overlaps with other one on this address space"));
}

TEST(Ipam, gives_ipv6_without_a_subnet_a_unique_local_one) {
    Definition both;
    both.enable_ipv6 = true;
    const auto pools = plan_pools({}, both, plan());
    ASSERT_TRUE(pools);
    ASSERT_EQ(pools->size(), 2u);
    const auto subnet = *Subnet::parse(pools->at(1).subnet);
    EXPECT_EQ(subnet.bits(), 64);
    EXPECT_TRUE(Subnet::parse("fd00::/8")->contains(subnet));
    EXPECT_EQ(pools->at(1).gateway, subnet.first().plus(1).text());
}

TEST(Ipam, names_every_fault_of_a_pool) {
    const auto message = [](Pool pool, bool v6 = false) {
        return check_pools({pool}, v6).error().message;
    };
    EXPECT_THAT(message({.subnet = "10.1.2.3/24"}),
                HasSubstr("invalid subnet 10.1.2.3/24: it should be 10.1.2.0/24"));
    EXPECT_THAT(message({.subnet = "nonsense"}),
                HasSubstr("invalid subnet nonsense: invalid CIDR block notation"));
    EXPECT_THAT(message({.subnet = "10.1.2.0/24", .gateway = "10.1.3.1"}),
                HasSubstr("invalid gateway 10.1.3.1"));
    EXPECT_THAT(message({.subnet = "10.1.2.0/24", .ip_range = "10.1.0.0/16"}),
                HasSubstr("bigger than its parent subnet"));
    EXPECT_THAT(message({.subnet = "10.1.2.0/24", .ip_range = "10.1.3.0/25"}),
                HasSubstr("doesn't contain ip-range"));
    EXPECT_THAT(message({.gateway = "10.1.2.1"}),
                HasSubstr("no matching subnet for gateway 10.1.2.1"));
    EXPECT_THAT(message({.subnet = "fd01::/64"}), HasSubstr("IPv6 has not been enabled"));
    EXPECT_THAT(message({.subnet = "10.1.2.0/24", .aux = {{"a", "10.1.2.255"}}}),
                HasSubstr("broadcast address"));
    EXPECT_TRUE(check_pools(
        {{.subnet = "10.1.2.0/24", .ip_range = "10.1.2.128/25", .gateway = "10.1.2.1"}}, false));
}

TEST(Addresses, gives_the_lowest_free_one_and_takes_it_back) {
    Addresses addresses(
        {{.subnet = "10.0.0.0/29", .gateway = "10.0.0.1", .aux = {{"x", "10.0.0.3"}}}});
    EXPECT_EQ(addresses.allocate(Family::V4)->text(), "10.0.0.2");
    EXPECT_EQ(addresses.allocate(Family::V4)->text(), "10.0.0.4");
    addresses.release(*Ip::parse("10.0.0.2"));
    EXPECT_EQ(addresses.allocate(Family::V4)->text(), "10.0.0.2");
    EXPECT_EQ(addresses.allocate(Family::V4)->text(), "10.0.0.5");
    EXPECT_EQ(addresses.allocate(Family::V4)->text(), "10.0.0.6");
    EXPECT_EQ(addresses.allocate(Family::V4).error().code, Errc::Exhausted);
}

TEST(Addresses, keeps_automatic_ones_inside_the_range_and_static_ones_inside_the_subnet) {
    Addresses addresses(
        {{.subnet = "10.0.0.0/24", .ip_range = "10.0.0.128/30", .gateway = "10.0.0.1"}});
    EXPECT_EQ(addresses.allocate(Family::V4)->text(), "10.0.0.128");
    EXPECT_TRUE(addresses.reserve(*Ip::parse("10.0.0.7")));
    EXPECT_EQ(addresses.reserve(*Ip::parse("10.0.0.7")).error().message, "Address already in use");
    EXPECT_EQ(addresses.reserve(*Ip::parse("10.0.0.1")).error().message, "Address already in use");
    EXPECT_FALSE(addresses.reserve(*Ip::parse("10.0.1.7")));
    EXPECT_EQ(addresses.bits_of(*Ip::parse("10.0.0.7")), 24);
    EXPECT_EQ(addresses.gateway_of(*Ip::parse("10.0.0.7")).text(), "10.0.0.1");
}

} // namespace
} // namespace shoal::network
