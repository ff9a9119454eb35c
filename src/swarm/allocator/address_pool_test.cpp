#include "swarm/allocator/address_pool.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using network::Ip;
using network::Subnet;

Subnet subnet(std::string_view text) { return *Subnet::parse(text); }
Ip ip(std::string_view text) { return *Ip::parse(text); }

TEST(AddressPool, gives_addresses_in_turn_and_an_old_one_only_after_all_others) {
    AddressPool pool(subnet("10.0.0.0/29"), {});
    for (const char* text : {"10.0.0.1", "10.0.0.2", "10.0.0.3"}) {
        EXPECT_EQ(pool.take("a").text(), text);
    }
    pool.release(ip("10.0.0.2"), "a");
    for (const char* text : {"10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"}) {
        EXPECT_EQ(pool.take("a").text(), text);
    }
    EXPECT_TRUE(pool.take("a").empty());
    pool.release(ip("10.0.0.6"), "a");
    pool.release(ip("10.0.0.5"), "a");
    EXPECT_EQ(pool.take("a").text(), "10.0.0.5");
}

TEST(AddressPool, an_address_with_two_holders_is_free_when_both_are_gone) {
    AddressPool pool(subnet("10.0.0.0/30"), {});
    pool.hold(ip("10.0.0.1"), "a");
    pool.hold(ip("10.0.0.1"), "b");
    pool.release(ip("10.0.0.1"), "a");
    EXPECT_FALSE(pool.is_free(ip("10.0.0.1")));
    pool.release(ip("10.0.0.1"), "c");
    EXPECT_FALSE(pool.is_free(ip("10.0.0.1")));
    pool.release(ip("10.0.0.1"), "b");
    EXPECT_TRUE(pool.is_free(ip("10.0.0.1")));
}

TEST(AddressPool, the_subnets_own_and_the_broadcast_address_never_become_free) {
    AddressPool pool(subnet("10.0.0.0/30"), {});
    for (const char* text : {"10.0.0.0", "10.0.0.3"}) {
        EXPECT_FALSE(pool.is_free(ip(text)));
        pool.hold(ip(text), "a");
        pool.release(ip(text), "a");
        EXPECT_FALSE(pool.is_free(ip(text)));
    }
    AddressPool v6(subnet("fd00::/126"), {});
    EXPECT_FALSE(v6.is_free(ip("fd00::")));
    EXPECT_TRUE(v6.is_free(ip("fd00::3")));
}

TEST(AddressPool, a_range_bounds_what_is_given_unasked) {
    AddressPool pool(subnet("10.0.0.0/24"), subnet("10.0.0.128/30"));
    for (const char* text : {"10.0.0.128", "10.0.0.129", "10.0.0.130", "10.0.0.131"}) {
        EXPECT_EQ(pool.take("a").text(), text);
    }
    EXPECT_TRUE(pool.take("a").empty());
    EXPECT_TRUE(pool.is_free(ip("10.0.0.7")));
    pool.release(ip("10.0.0.129"), "a");
    EXPECT_EQ(pool.take("b").text(), "10.0.0.129");
}

TEST(AddressPool, goes_on_after_the_one_that_was_given_last) {
    AddressPool pool(subnet("10.0.0.0/24"), {});
    pool.set_last(ip("10.0.0.40"));
    EXPECT_EQ(pool.take("a").text(), "10.0.0.41");
}

TEST(AddressPool, stretches_grow_together_again) {
    AddressPool pool(subnet("10.0.0.0/24"), {});
    std::vector<Ip> taken;
    for (int i = 0; i < 254; ++i) { taken.push_back(pool.take("a")); }
    EXPECT_TRUE(pool.take("a").empty());
    for (std::size_t i = 0; i < taken.size(); i += 2) { pool.release(taken[i], "a"); }
    for (std::size_t i = 1; i < taken.size(); i += 2) { pool.release(taken[i], "a"); }
    for (int i = 0; i < 254; ++i) { ASSERT_FALSE(pool.take("b").empty()); }
    EXPECT_TRUE(pool.take("b").empty());
}

} // namespace
} // namespace shoal::swarm
