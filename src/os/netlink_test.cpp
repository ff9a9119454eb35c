#include "os/netlink.h"

#include "os/netns.h"
#include "os/nft.h"
#include "os/sysctl.h"

#include <gtest/gtest.h>

#include <optional>

namespace shoal::os {
namespace {

std::string v4(unsigned char a, unsigned char b, unsigned char c, unsigned char d) {
    return {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c), static_cast<char>(d)};
}

struct Netns : ::testing::Test {
    void SetUp() override {
        auto made = create_anonymous_netns();
        ASSERT_TRUE(made) << made.error().message;
        host = std::move(*made);
        auto opened = Netlink::open_in(host);
        ASSERT_TRUE(opened) << opened.error().message;
        netlink.emplace(std::move(*opened));
    }
    Fd host;
    std::optional<Netlink> netlink;
};

TEST_F(Netns, has_only_lo_at_first) {
    const auto links = netlink->links();
    ASSERT_TRUE(links);
    ASSERT_EQ(links->size(), 1u);
    EXPECT_EQ(links->front().name, "lo");
    EXPECT_FALSE(links->front().up);
}

TEST_F(Netns, makes_a_veth_with_its_peer_in_another_namespace_and_its_port_in_a_bridge) {
    ASSERT_TRUE(netlink->create_bridge({"br0", "02:42:00:00:00:01", 1400}));
    const auto bridge = netlink->link("br0");
    ASSERT_TRUE(bridge);
    EXPECT_EQ(bridge->mac, "02:42:00:00:00:01");
    EXPECT_EQ(bridge->kind, "bridge");
    auto other = create_anonymous_netns();
    ASSERT_TRUE(other);
    const auto made = netlink->create_veth(
        {"v1", "eth0", other->raw(), "02:42:0a:00:00:02", 1400, bridge->index});
    ASSERT_TRUE(made) << made.error().message;
    auto inside = Netlink::open_in(*other);
    ASSERT_TRUE(inside);
    const auto eth0 = inside->link("eth0");
    ASSERT_TRUE(eth0);
    EXPECT_EQ(eth0->mac, "02:42:0a:00:00:02");
    EXPECT_EQ(eth0->mtu, 1400);
    EXPECT_EQ(netlink->link("v1")->master, bridge->index);
    EXPECT_TRUE(netlink->set_port_up("v1"));
    EXPECT_TRUE(netlink->set_port_flags(netlink->link("v1")->index, {true, true}));
}

TEST_F(Netns, adds_addresses_and_routes_twice_without_complaint) {
    ASSERT_TRUE(netlink->create_bridge({"br0", "02:42:00:00:00:01", 0}));
    const int index = netlink->link("br0")->index;
    ASSERT_TRUE(netlink->set_up(index, true));
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(netlink->add_address({v4(10, 1, 0, 1), 24, index}));
        EXPECT_TRUE(netlink->replace_route({v4(10, 2, 0, 0), 16, v4(10, 1, 0, 9), index}));
    }
    const auto routes = netlink->routes();
    ASSERT_TRUE(routes);
    bool seen = false;
    for (const auto& route : *routes) {
        seen |= route.destination == v4(10, 2, 0, 0) && route.bits == 16;
    }
    EXPECT_TRUE(seen);
    EXPECT_TRUE(netlink->remove_route({v4(10, 2, 0, 0), 16, "", index}));
    EXPECT_TRUE(netlink->remove_address({v4(10, 1, 0, 1), 24, index}));
}

TEST_F(Netns, names_a_missing_device) {
    const auto missing = netlink->link("nothere");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Errc::NotFound);
}

TEST_F(Netns, sysctls_are_those_of_the_namespace_of_the_thread) {
    const auto outside = read_sysctl("net.ipv4.ip_forward");
    ASSERT_TRUE(run_in_netns(host, [] { return write_sysctl("net.ipv4.ip_forward", "1"); }));
    ASSERT_TRUE(run_in_netns(host, []() -> Result<void> {
        TRY_LET(value, read_sysctl("net.ipv4.ip_forward"));
        return value == "1" ? ok() : Result<void>(invalid(value));
    }));
    EXPECT_EQ(*read_sysctl("net.ipv4.ip_forward"), *outside);
}

TEST(Sysctl, refuses_paths_that_leave_proc_sys) {
    EXPECT_FALSE(sysctl_path("net../.x"));
    EXPECT_FALSE(sysctl_path(""));
    EXPECT_FALSE(sysctl_path("a.//.b"));
    EXPECT_EQ(*sysctl_path("net.ipv4.conf.eth0/10.forwarding"),
              "/proc/sys/net/ipv4/conf/eth0.10/forwarding");
}

TEST_F(Netns, nft_applies_all_or_nothing_and_says_what_is_wrong) {
    ASSERT_TRUE(run_in_netns(host, []() -> Result<void> {
        TRY_LET(nft, Nft::open());
        const auto bad = nft.apply("add table inet good\nadd rule inet good missing accept\n");
        if (bad || bad.error().message.find("missing") == std::string::npos) {
            return invalid("no complaint");
        }
        TRY_LET(tables, nft.query("list tables", Nft::Form::Text));
        return tables.empty() ? ok() : Result<void>(invalid(tables));
    }));
}

TEST_F(Netns, nft_events_tell_what_others_removed) {
    ASSERT_TRUE(run_in_netns(host, []() -> Result<void> {
        TRY_LET(nft, Nft::open());
        TRY(nft.apply("add table inet ours; add table inet theirs"));
        TRY_LET(events, NftEvents::open());
        TRY(nft.apply("delete table inet theirs"));
        auto changes = events.drain("ours");
        if (changes.table_touched || !changes.foreign_changed) { return invalid("theirs"); }
        TRY(nft.apply("delete table inet ours"));
        changes = events.drain("ours");
        if (changes.table_touched) { return invalid("a change of our own counts"); }
        return ok();
    }));
}

TEST(NamedNetns, stays_at_its_path_until_removed_and_leaves_nothing_after_a_failure) {
    const std::string path = "/tmp/shoal-netns-test/" + std::to_string(::getpid());
    {
        const auto made = create_netns(path, {});
        ASSERT_TRUE(made) << made.error().message;
    }
    EXPECT_TRUE(is_netns(path));
    EXPECT_TRUE(open_netns(path));
    EXPECT_TRUE(remove_netns(path));
    EXPECT_FALSE(is_netns(path));
    EXPECT_TRUE(remove_netns(path));
    EXPECT_FALSE(create_netns(path, [] { return Result<void>(invalid("no")); }));
    EXPECT_NE(::access(path.c_str(), F_OK), 0);
    ::rmdir("/tmp/shoal-netns-test");
}

} // namespace
} // namespace shoal::os
