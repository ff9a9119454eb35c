#include "swarm/manager/control/cluster_addresses.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using Pools = std::vector<std::string>;

std::string refused(const Pools& pools, std::uint32_t size = 0, std::uint32_t port = 0) {
    const auto checked = check_cluster_addresses(pools, size, port);
    if (checked) { return ""; }
    EXPECT_EQ(checked.error().code, Errc::Invalid);
    return checked.error().message;
}

TEST(ClusterAddresses, nothing_is_the_default) {
    EXPECT_EQ(refused({}), "");
    EXPECT_EQ(refused({"10.1.0.0/16", "192.168.0.0/16"}, 26, 5000), "");
}

TEST(ClusterAddresses, a_pool_is_a_subnet_of_ipv4) {
    EXPECT_EQ(refused({"10.1.0.0"}),
              "invalid base pool \"10.1.0.0\": invalid CIDR address: 10.1.0.0");
    EXPECT_NE(refused({"10.1.0.0/33"}), "");
    EXPECT_EQ(refused({"fd00::/16"}, 24),
              "invalid base pool \"fd00::/16\": address pools of a swarm are of IPv4");
}

TEST(ClusterAddresses, pools_do_not_overlap) {
    EXPECT_EQ(refused({"10.0.0.0/8", "10.1.0.0/16"}),
              "invalid base pool \"10.1.0.0/16\": it overlaps with 10.0.0.0/8");
    EXPECT_NE(refused({"10.0.0.0/16", "10.0.0.0/16"}), "");
}

TEST(ClusterAddresses, a_subnet_has_room_and_fits_into_every_pool) {
    EXPECT_EQ(refused({}, 29), "");
    EXPECT_EQ(refused({}, 30), "subnet size is out of range: 30");
    EXPECT_EQ(refused({"10.0.0.0/16", "10.1.0.0/25"}),
              "invalid CIDR: \"10.1.0.0/25\". Subnet size is too small for pool: 24");
    EXPECT_NE(refused({}, 7), "") << "larger than the default pool";
}

TEST(ClusterAddresses, the_port_of_the_data_path_has_a_range) {
    EXPECT_EQ(refused({}, 0, 1024), "");
    EXPECT_EQ(refused({}, 0, 49151), "");
    EXPECT_EQ(refused({}, 0, 1023),
              "Datapath port number is not in valid range (1024-49151) : 1023");
    EXPECT_NE(refused({}, 0, 49152), "");
}

} // namespace
} // namespace shoal::swarm
