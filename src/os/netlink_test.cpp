#include "os/netlink.h"

#include "os/netns.h"
#include "os/nft.h"
#include "os/sysctl.h"

#include <gtest/gtest.h>

#include <optional>

#include <netinet/in.h>
#include <sys/socket.h>

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

std::optional<Route> route_to(Netlink& netlink, const std::string& destination, int bits) {
    for (const auto& route : netlink.routes().value_or({})) {
        if (route.destination == destination && route.bits == bits) { return route; }
    }
    return {};
}

std::string v6(std::string_view first_bytes, unsigned char last) {
    std::string bytes(16, '\0');
    bytes.replace(0, first_bytes.size(), first_bytes);
    bytes[15] = static_cast<char>(last);
    return bytes;
}

struct Vxlan : Netns {
    void SetUp() override {
        Netns::SetUp();
        auto made = create_anonymous_netns();
        ASSERT_TRUE(made);
        inner = std::move(*made);
        VxlanLink wanted{"vx0", 4097,       4790, v4(10, 99, 0, 1), "02:fe:00:00:00:01",
                         1400,  inner.raw()};
        const auto created = netlink->create_vxlan(wanted);
        ASSERT_TRUE(created) << created.error().message;
        auto opened = Netlink::open_in(inner);
        ASSERT_TRUE(opened);
        inside.emplace(std::move(*opened));
        vx0 = inside->link("vx0").value_or(Link{}).index;
        ASSERT_TRUE(inside->set_up(1, true));
        ASSERT_TRUE(inside->set_port_up("vx0"));
    }
    Fd inner;
    std::optional<Netlink> inside;
    int vx0 = 0;
};

TEST_F(Vxlan, goes_to_another_namespace_while_its_socket_stays) {
    EXPECT_FALSE(*netlink->find_link("vx0"));
    const auto link = inside->find_vxlan("vx0");
    ASSERT_TRUE(link && *link);
    EXPECT_EQ((*link)->vni, 4097u);
    EXPECT_EQ((*link)->port, 4790);
    EXPECT_EQ((*link)->local, v4(10, 99, 0, 1));
    EXPECT_EQ((*link)->mac, "02:fe:00:00:00:01");
    EXPECT_EQ((*link)->mtu, 1400);
    EXPECT_FALSE(*inside->find_vxlan("lo"));
    const auto taken = [](const Fd& netns) {
        return run_in_netns(netns, []() -> Result<void> {
            const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(4790);
            const auto* where = reinterpret_cast<const sockaddr*>(&address);
            return ::bind(socket.raw(), where, sizeof address) == 0 ? ok() : invalid("taken");
        });
    };
    EXPECT_FALSE(taken(host));
    EXPECT_TRUE(taken(inner));
}

TEST_F(Vxlan, permanent_neighbours_and_forwarding_entries_are_replaced_and_removed) {
    const std::string mac = "02:fe:00:00:00:02";
    for (const auto& hop : {v4(169, 254, 0, 2), v6("\xfe\x80", 2)}) {
        ASSERT_TRUE(inside->replace_neighbour({hop, "02:fe:00:00:00:09", vx0}));
        ASSERT_TRUE(inside->replace_neighbour({hop, mac, vx0}));
    }
    ASSERT_TRUE(inside->replace_forwarding({mac, v4(10, 99, 0, 9), vx0}));
    ASSERT_TRUE(inside->replace_forwarding({mac, v4(10, 99, 0, 2), vx0}));
    const auto neighbours = inside->neighbours(vx0);
    ASSERT_TRUE(neighbours);
    ASSERT_EQ(neighbours->size(), 2u);
    EXPECT_EQ(neighbours->front().mac, mac);
    const auto forwarding = inside->forwarding(vx0);
    ASSERT_TRUE(forwarding);
    ASSERT_EQ(forwarding->size(), 1u);
    EXPECT_EQ(forwarding->front().mac, mac);
    EXPECT_EQ(forwarding->front().node, v4(10, 99, 0, 2));
    EXPECT_TRUE(inside->remove_neighbour({v4(169, 254, 0, 2), "", vx0}));
    EXPECT_TRUE(inside->remove_forwarding({mac, "", vx0}));
    EXPECT_EQ(inside->neighbours(vx0)->size(), 1u);
    EXPECT_TRUE(inside->forwarding(vx0)->empty());
    EXPECT_EQ(inside->remove_neighbour({v4(169, 254, 0, 2), "", vx0}).error().code, Errc::NotFound);
    EXPECT_EQ(inside->remove_forwarding({mac, "", vx0}).error().code, Errc::NotFound);
}

/// An address that moves from a container here to another node and back.
TEST_F(Vxlan, a_route_changes_between_a_link_and_a_next_hop_in_both_families) {
    ASSERT_TRUE(inside->create_veth({"v1", "eth0", host.raw(), "", 1400, 0}));
    const int v1 = inside->link("v1")->index;
    ASSERT_TRUE(inside->set_port_up("v1"));
    for (const bool six : {false, true}) {
        const auto address = six ? v6("\xfd\x01", 5) : v4(10, 1, 0, 5);
        const int bits = six ? 128 : 32;
        const auto hop = six ? v6("\xfe\x80", 2) : v4(169, 254, 0, 2);
        const Route here{address, bits, "", v1, six};
        const Route there{address, bits, hop, vx0, six, true};
        for (int i = 0; i < 2; ++i) {
            for (const auto& wanted : {here, there}) {
                const auto done = inside->replace_route(wanted);
                ASSERT_TRUE(done) << done.error().message << six;
                const auto now = route_to(*inside, address, bits);
                ASSERT_TRUE(now);
                EXPECT_EQ(now->link, wanted.link) << six;
                EXPECT_EQ(now->gateway, wanted.gateway) << six;
            }
        }
        EXPECT_TRUE(inside->remove_route({address, bits, "", 0, six}));
        EXPECT_FALSE(route_to(*inside, address, bits)) << six;
    }
}

TEST_F(Vxlan, an_unreachable_route_is_listed_and_removed) {
    for (const bool six : {false, true}) {
        Route route{six ? v6("\xfd\x01", 0) : v4(10, 1, 0, 0), six ? 64 : 24, "", 0, six};
        route.unreachable = true;
        ASSERT_TRUE(inside->replace_route(route));
        const auto now = route_to(*inside, route.destination, route.bits);
        ASSERT_TRUE(now);
        EXPECT_TRUE(now->unreachable);
        EXPECT_EQ(now->link, 0);
        EXPECT_TRUE(inside->remove_route(route));
        EXPECT_FALSE(route_to(*inside, route.destination, route.bits));
    }
}

TEST_F(Vxlan, marked_packets_of_a_link_look_into_a_table_of_their_own) {
    for (const bool six : {false, true}) {
        Route way{"", 0, six ? v6("\xfe\x80", 254) : v4(169, 254, 255, 254), vx0, six, true};
        way.table = 1091;
        ASSERT_TRUE(inside->replace_route(way));
        EXPECT_FALSE(route_to(*inside, "", 0)) << "it is not in the main table";
        const MarkRule rule{"vx0", 0x5b0000, 0xff0000, 1091, 100, six};
        for (int i = 0; i < 2; ++i) {
            const auto done = inside->ensure_rule(rule);
            EXPECT_TRUE(done) << done.error().message;
        }
        const auto listed = inside->rules(100).value_or({});
        ASSERT_EQ(listed.size(), 1u);
        EXPECT_EQ(listed[0].in_link, "vx0");
        EXPECT_EQ(listed[0].mark, 0x5b0000u);
        EXPECT_EQ(listed[0].table, 1091);
        EXPECT_EQ(listed[0].v6, six);
        EXPECT_EQ(inside->routes(1091).value_or({}).size(), 1u);
        EXPECT_TRUE(inside->remove_rule(rule));
        EXPECT_TRUE(inside->remove_rule(rule)) << "absent is success, and it was there once";
        EXPECT_TRUE(inside->remove_route(way));
    }
}

TEST_F(Vxlan, an_address_may_come_without_the_route_of_its_subnet) {
    ASSERT_TRUE(inside->add_address({v4(10, 5, 0, 5), 24, vx0, false, true}));
    ASSERT_TRUE(inside->add_address({v6("\xfd\x05", 5), 64, vx0, false, true}));
    EXPECT_FALSE(route_to(*inside, v4(10, 5, 0, 0), 24));
    EXPECT_FALSE(route_to(*inside, v6("\xfd\x05", 0), 64));
    int seen = 0;
    for (const auto& address : inside->addresses().value_or({})) {
        if (address.link == vx0) { seen += address.no_route ? 1 : 0; }
    }
    EXPECT_EQ(seen, 2);
    ASSERT_TRUE(inside->add_address({v4(10, 6, 0, 5), 24, vx0}));
    EXPECT_TRUE(route_to(*inside, v4(10, 6, 0, 0), 24));
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

TEST_F(Netns, nft_counts_transactions_of_anybody) {
    ASSERT_TRUE(run_in_netns(host, []() -> Result<void> {
        TRY_LET(nft, Nft::open());
        TRY_LET(other, Nft::open());
        TRY_LET(first, nft.generation());
        TRY(nft.apply("add table inet a\nadd table inet b"));
        TRY_LET(second, nft.generation());
        TRY(other.apply("delete table inet b"));
        TRY_LET(third, nft.generation());
        return second == first + 1 && third == first + 2 ? ok() : Result<void>(invalid("count"));
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
