#include "node/addresses.h"

#include <gtest/gtest.h>

namespace shoal::node {
namespace {

const std::vector<LocalAddress> one_card{{"lo", "127.0.0.1", false}, {"eth0", "10.0.0.5", true}};
const std::vector<LocalAddress> two_cards{{"eth0", "10.0.0.5", true}, {"eth1", "10.1.0.5", true}};

std::string advertised(const std::string& listen, const std::string& advertise,
                       const std::vector<LocalAddress>& here) {
    const auto places = plan_addresses(listen, advertise, "", here);
    return places ? places->advertise : "error: " + places.error().message;
}

TEST(Addresses, the_only_address_is_advertised) {
    const auto places = plan_addresses("", "", "", one_card);
    ASSERT_TRUE(places);
    EXPECT_EQ(places->listen, "0.0.0.0:2377");
    EXPECT_EQ(places->advertise, "10.0.0.5:2377");
    EXPECT_EQ(places->data_path, "10.0.0.5");
}

TEST(Addresses, among_several_the_user_has_to_choose) {
    EXPECT_EQ(advertised("", "", two_cards),
              "error: could not choose an IP address to advertise since this system has multiple "
              "addresses on different interfaces (10.0.0.5 on eth0 and 10.1.0.5 on eth1)");
    EXPECT_EQ(advertised("", "", {{"eth0", "10.0.0.5", true}, {"eth0", "10.0.0.6", true}}),
              "error: could not choose an IP address to advertise since this system has multiple "
              "addresses on interface eth0 (10.0.0.5 and 10.0.0.6)");
    EXPECT_EQ(advertised("", "eth1", two_cards), "10.1.0.5:2377");
    EXPECT_EQ(advertised("", "10.1.0.5:9999", two_cards), "10.1.0.5:9999");
    EXPECT_EQ(advertised("10.0.0.5:4000", "", two_cards), "10.0.0.5:4000");
}

TEST(Addresses, what_is_no_address_is_refused) {
    EXPECT_TRUE(advertised("", "0.0.0.0", one_card).starts_with("error: advertise address"));
    EXPECT_TRUE(advertised("", "nowhere", one_card).starts_with("error: advertise address must"));
    EXPECT_TRUE(advertised("nowhere", "", one_card).starts_with("error: listen address must be"));
    const auto wrong_path = plan_addresses("", "", "nowhere", one_card);
    ASSERT_FALSE(wrong_path);
    EXPECT_EQ(wrong_path.error().message, "data path address must be a non-zero IP address or "
                                          "network interface (without a port number)");
    EXPECT_TRUE(advertised("10.0.0.5:99999", "", one_card).starts_with("error: invalid port"));
}

TEST(Addresses, an_interface_stands_for_its_first_usable_address) {
    const std::vector<LocalAddress> here{{"eth0", "10.0.0.5", true},
                                         {"eth0", "fd00::5", true},
                                         {"br0", "", false},
                                         {"br0", "192.168.7.1", true},
                                         {"docker0", "172.17.0.1", false},
                                         {"six", "fe80::1", false},
                                         {"six", "fd00:6::1", true},
                                         {"empty", "", false},
                                         {"many", "10.5.0.1", true},
                                         {"many", "10.6.0.1", true},
                                         {"many6", "fd01::1", true},
                                         {"many6", "fd02::1", true},
                                         {"local", "fe80::9", false}};
    EXPECT_EQ(advertised("", "eth0", here), "10.0.0.5:2377"); // IPv4 before IPv6
    EXPECT_EQ(advertised("", "br0", here), "192.168.7.1:2377");
    EXPECT_EQ(advertised("", "docker0:4000", here), "172.17.0.1:4000");
    EXPECT_EQ(advertised("", "six", here), "[fd00:6::1]:2377");
    EXPECT_EQ(advertised("six", "", here), "[fd00:6::1]:2377");
    EXPECT_EQ(advertised("", "empty", here),
              "error: interface empty has no usable IPv4 or IPv6 address");
    EXPECT_EQ(advertised("", "local", here),
              "error: interface local has no usable IPv4 or IPv6 address");
    EXPECT_EQ(advertised("", "many", here),
              "error: interface many has more than one IPv4 address (10.5.0.1 and 10.6.0.1)");
    EXPECT_EQ(advertised("", "many6", here),
              "error: interface many6 has more than one IPv6 address (fd01::1 and fd02::1)");
    const auto places = plan_addresses("", "eth0", "six", here);
    ASSERT_TRUE(places);
    EXPECT_EQ(places->data_path, "fd00:6::1");
}

TEST(Addresses, a_machine_with_ipv6_alone_advertises_that) {
    const std::vector<LocalAddress> here{{"lo", "::1", false}, {"eth0", "fd00::5", true}};
    EXPECT_EQ(advertised("", "", here), "[fd00::5]:2377");
}

TEST(Addresses, finds_every_interface_of_this_machine) {
    const auto here = local_addresses();
    ASSERT_TRUE(here);
    const auto lo = std::find_if(here->begin(), here->end(), [](const LocalAddress& one) {
        return one.interface == "lo" && one.address == "127.0.0.1";
    });
    ASSERT_NE(lo, here->end());
    EXPECT_FALSE(lo->usable);
}

TEST(Addresses, remotes_get_the_usual_port) {
    const auto all = with_default_port({"10.0.0.1", "10.0.0.2:4000", "fd00::1", "[fd00::2]:5"});
    ASSERT_TRUE(all);
    EXPECT_EQ(*all, (std::vector<std::string>{"10.0.0.1:2377", "10.0.0.2:4000", "[fd00::1]:2377",
                                              "[fd00::2]:5"}));
    EXPECT_FALSE(with_default_port({}));
}

} // namespace
} // namespace shoal::node
