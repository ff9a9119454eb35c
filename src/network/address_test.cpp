#include "network/address.h"

#include <gtest/gtest.h>

namespace shoal::network {
namespace {

TEST(Ip, prints_what_it_parsed) {
    for (const char* text :
         {"0.0.0.0", "172.17.0.2", "255.255.255.255", "::", "::1", "fd00::1:2"}) {
        EXPECT_EQ(Ip::parse(text)->text(), text);
    }
    EXPECT_EQ(Ip::parse("::ffff:1.2.3.4")->text(), "1.2.3.4");
}

TEST(Ip, refuses_what_is_no_address) {
    for (const char* text : {"", "1.2.3", "1.2.3.256", "fe80::1%eth0", "a.b.c.d", "1.2.3.4/8"}) {
        EXPECT_FALSE(Ip::parse(text)) << text;
    }
}

TEST(Ip, gives_its_reverse_name) {
    EXPECT_EQ(Ip::parse("172.17.0.2")->reverse_name(), "2.0.17.172.in-addr.arpa");
    EXPECT_EQ(Ip::parse("fd00::1")->reverse_name(),
              "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa");
}

TEST(Subnet, contains_and_overlaps) {
    const auto wide = *Subnet::parse("10.1.2.3/8");
    EXPECT_EQ(wide.text(), "10.0.0.0/8");
    EXPECT_TRUE(wide.contains(*Ip::parse("10.255.255.255")));
    EXPECT_FALSE(wide.contains(*Ip::parse("11.0.0.0")));
    EXPECT_TRUE(wide.overlaps(*Subnet::parse("10.3.0.0/16")));
    EXPECT_TRUE(Subnet::parse("10.3.0.0/16")->overlaps(wide));
    EXPECT_FALSE(wide.overlaps(*Subnet::parse("fd00::/8")));
    EXPECT_TRUE(Subnet::parse("0.0.0.0/0")->contains(*Ip::parse("8.8.8.8")));
    EXPECT_EQ(Subnet::parse("fd00::/64")->last().text(), "fd00::ffff:ffff:ffff:ffff");
    EXPECT_FALSE(Subnet::parse("10.0.0.0"));
    EXPECT_FALSE(Subnet::parse("10.0.0.0/33"));
}

TEST(Mac, follows_the_address_and_refuses_multicast) {
    EXPECT_EQ(mac_of(*Ip::parse("172.17.0.2")), "02:42:ac:11:00:02");
    EXPECT_EQ(*parse_mac("02-42-AC-11-00-02"), "02:42:ac:11:00:02");
    EXPECT_FALSE(parse_mac("01:00:5e:00:00:01"));
    EXPECT_FALSE(parse_mac("02:42:ac:11:00"));
}

} // namespace
} // namespace shoal::network
