#include "network/path_mtu.h"

#include "os/netlink.h"
#include "os/netns.h"
#include "os/sysctl.h"

#include <gtest/gtest.h>

namespace shoal::network {
namespace {

TEST(PathMtu, candidates_begin_with_the_link_and_fall) {
    EXPECT_EQ(mtu_candidates(Family::V4, 1500).front(), 1500);
    EXPECT_EQ(mtu_candidates(Family::V4, 1500).back(), 576);
    EXPECT_EQ(mtu_candidates(Family::V6, 1500).back(), 1280);
    const auto sizes = mtu_candidates(Family::V4, 9000);
    EXPECT_TRUE(std::is_sorted(sizes.rbegin(), sizes.rend()));
}

/// Two ends with a router between them, whose second link takes less than the first.
class Path : public ::testing::Test {
  protected:
    static os::Fd space() { return *os::create_anonymous_netns(); }

    static void join(const os::Fd& near, const std::string& name, const os::Fd& far,
                     const std::string& far_name, int mtu) {
        auto netlink = os::Netlink::open_in(near);
        ASSERT_TRUE(netlink->create_veth({name, far_name, far.raw(), "", mtu, 0}));
        ASSERT_TRUE(netlink->set_up(netlink->link(name)->index, true));
        auto there = os::Netlink::open_in(far);
        ASSERT_TRUE(there->set_up(there->link(far_name)->index, true));
    }
    static void address(const os::Fd& where, const std::string& link, const std::string& ip) {
        auto netlink = os::Netlink::open_in(where);
        ASSERT_TRUE(
            netlink->add_address({Ip::parse(ip)->bytes(), 24, netlink->link(link)->index, false}));
    }
    static void default_route(const os::Fd& where, const std::string& link,
                              const std::string& via) {
        auto netlink = os::Netlink::open_in(where);
        os::Route route;
        route.gateway = Ip::parse(via)->bytes();
        route.link = netlink->link(link)->index;
        ASSERT_TRUE(netlink->replace_route(route));
    }

    void build(int second_mtu) {
        join(here_, "a", router_, "b", 1500);
        join(router_, "c", there_, "d", second_mtu);
        address(here_, "a", "10.1.0.1");
        address(router_, "b", "10.1.0.2");
        address(router_, "c", "10.2.0.2");
        address(there_, "d", "10.2.0.1");
        default_route(here_, "a", "10.1.0.2");
        default_route(there_, "d", "10.2.0.2");
        ASSERT_TRUE(
            os::run_in_netns(router_, [] { return os::write_sysctl("net.ipv4.ip_forward", "1"); }));
    }
    Result<int> probe(const std::string& to, int link_mtu) {
        Result<int> outcome = 0;
        const auto ran = os::run_in_netns(here_, [&]() -> Result<void> {
            outcome = probe_path_mtu(*Ip::parse(to), link_mtu);
            return ok();
        });
        if (!ran) { return ran.error(); }
        return outcome;
    }

    os::Fd here_ = space(), router_ = space(), there_ = space();
};

TEST_F(Path, takes_what_the_link_takes) {
    build(1500);
    EXPECT_EQ(*probe("10.2.0.1", 1500), 1500);
}

TEST_F(Path, finds_the_narrow_link_behind_a_router) {
    build(1420);
    EXPECT_EQ(*probe("10.2.0.1", 1500), 1420);
}

TEST_F(Path, says_so_when_nobody_answers) {
    build(1500);
    EXPECT_EQ(probe("10.1.0.77", 1500).error().code, Errc::Timeout);
}

} // namespace
} // namespace shoal::network
