#include "machine/names.h"

#include <gtest/gtest.h>

namespace shoal::machine {
namespace {

TEST(MachineNames, are_host_names) {
    for (const char* name : {"m", "node-1", "A.b-c9", "1"}) {
        EXPECT_TRUE(check_name(name)) << name;
    }
    for (const char* name :
         {"", ".", ".switch", "-a", "a-", "a.", "a b", "a/b", "../x", "ü", "a_b"}) {
        EXPECT_FALSE(check_name(name)) << name;
    }
    EXPECT_TRUE(check_name(std::string(name_length_max, 'a')));
    EXPECT_FALSE(check_name(std::string(name_length_max + 1, 'a')));
}

TEST(MachineSubnet, gives_addresses_by_number) {
    const auto subnet = Subnet::parse("198.18.0.0/24");
    ASSERT_TRUE(subnet);
    EXPECT_EQ(subnet->text(), "198.18.0.0/24");
    EXPECT_EQ(*subnet->address(1), "198.18.0.1");
    EXPECT_EQ(*subnet->address(254), "198.18.0.254");
    EXPECT_FALSE(subnet->address(0));
    EXPECT_FALSE(subnet->address(255));
    EXPECT_EQ(subnet->bytes(3), std::string("\xc6\x12\x00\x03", 4));
    EXPECT_EQ(mac_of(subnet->bytes(3)), "02:42:c6:12:00:03");
    EXPECT_EQ(*Subnet::parse("10.0.0.0/8")->address(256), "10.0.1.0");
}

TEST(MachineSubnet, refuses_what_is_none) {
    for (const char* text :
         {"", "1.2.3.4", "1.2.3/24", "1.2.3.0/", "1.2.3.0/30", "1.2.3.0/7", "1.2.3.4/24",
          "256.0.0.0/24", "fd00::/64", "1.2.3.0/24x", "a.b.c.d/24"}) {
        EXPECT_FALSE(Subnet::parse(text)) << text;
    }
}

TEST(MachineSubnet, chooses_the_smallest_free_number) {
    const auto subnet = Subnet::parse("10.1.2.0/29");
    ASSERT_TRUE(subnet);
    EXPECT_EQ(*choose_number(*subnet, {}), 1U);
    EXPECT_EQ(*choose_number(*subnet, {1, 2, 4}), 3U);
    const auto full = choose_number(*subnet, {1, 2, 3, 4, 5, 6});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, Errc::Exhausted);
}

TEST(MachinePlace, has_a_machine_before_the_first_colon) {
    EXPECT_EQ(*parse_place("m1:/etc/x"), (Place{"m1", "/etc/x"}));
    EXPECT_EQ(*parse_place("m1:"), (Place{"m1", "."}));
    EXPECT_EQ(*parse_place("/tmp/a:b"), (Place{"", "/tmp/a:b"}));
    EXPECT_EQ(*parse_place("./a:b"), (Place{"", "./a:b"}));
    EXPECT_EQ(*parse_place("file"), (Place{"", "file"}));
    EXPECT_FALSE(parse_place(""));
    EXPECT_FALSE(parse_place("no_name:x"));
}

} // namespace
} // namespace shoal::machine
