#include "network/overlay.h"

#include "network/overlay_reset.h"
#include "network/overlay_test_cluster.h"
#include "os/nft.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

namespace shoal::network {
namespace {

const Ip web = ip("10.8.9.1"), web6 = ip("fd08::9:1");

Balance to(const std::vector<Ip>& backends, bool by_client = false) {
    return {backends, by_client};
}

std::map<std::string, int> ask_often(const TestContainer& client, const Ip& where, int times,
                                     int type = SOCK_STREAM) {
    std::map<std::string, int> answers;
    for (int i = 0; i < times; ++i) { ++answers[client.ask(where, type)]; }
    return answers;
}

/// Milliseconds that a job takes.
template <class Job> double time_of(Job job) {
    const auto start = std::chrono::steady_clock::now();
    job();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
}

struct OverlayTest : ::testing::Test {
    TestCluster cluster;
};

TEST_F(OverlayTest, containers_reach_each_other_on_and_across_nodes_and_see_who_asks) {
    auto& client = cluster.add(1, 20);
    auto& here = cluster.add(1, 11);
    auto& there = cluster.add(2, 12);
    cluster.apply();
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        EXPECT_EQ(client.ask(here.v4(), type), "c11 10.8.0.20");
        EXPECT_EQ(client.ask(here.v6(), type), "c11 fd08::14");
        EXPECT_EQ(client.ask(there.v4(), type), "c12 10.8.0.20");
        EXPECT_EQ(client.ask(there.v6(), type), "c12 fd08::14");
        EXPECT_EQ(there.ask(client.v4(), type), "c20 10.8.0.12");
    }
}

TEST_F(OverlayTest, new_connections_to_a_virtual_address_go_to_its_backends_in_turn) {
    auto& client = cluster.add(1, 20);
    auto& a = cluster.add(1, 11);
    auto& b = cluster.add(2, 12);
    auto& c = cluster.add(3, 13);
    cluster.services[web] = to({a.v4(), b.v4(), c.v4()});
    cluster.services[web6] = to({a.v6(), b.v6(), c.v6()});
    cluster.services[ip("10.8.9.2")] = to({b.v4(), c.v4(), a.v4()});
    cluster.apply();
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        const std::map<std::string, int> even = {
            {"c11 10.8.0.20", 4}, {"c12 10.8.0.20", 4}, {"c13 10.8.0.20", 4}};
        std::map<std::string, int> answers;
        for (int i = 0; i < 12; ++i) {
            ++answers[client.ask(web, type)];
            (void)client.ask(ip("10.8.9.2"), type); // its turns are its own
        }
        EXPECT_EQ(answers, even);
        const std::map<std::string, int> even6 = {
            {"c11 fd08::14", 4}, {"c12 fd08::14", 4}, {"c13 fd08::14", 4}};
        EXPECT_EQ(ask_often(client, web6, 12, type), even6);
    }
}

TEST_F(OverlayTest, a_backend_that_reaches_itself_sees_the_virtual_address) {
    auto& a = cluster.add(1, 11);
    cluster.services[web] = to({a.v4()});
    cluster.services[web6] = to({a.v6()});
    cluster.apply();
    EXPECT_EQ(a.ask(web), "c11 10.8.9.1");
    EXPECT_EQ(a.ask(web6), "c11 fd08::9:1");
    EXPECT_EQ(a.ask(web, SOCK_DGRAM), "c11 10.8.9.1");
}

TEST_F(OverlayTest, addresses_that_nobody_has_are_refused_at_once) {
    auto& client = cluster.add(1, 20);
    cluster.services[web] = to({});
    cluster.services[web6] = to({});
    cluster.apply();
    const double took = time_of([&] {
        for (const auto& nobody : {web, web6, ip("10.8.0.99"), ip("fd08::99")}) {
            EXPECT_EQ(client.ask(nobody), "ECONNREFUSED") << nobody.text();
            const std::map<std::string, int> refused = {{"ECONNREFUSED", 12}};
            EXPECT_EQ(ask_often(client, nobody, 12, SOCK_DGRAM), refused) << nobody.text();
        }
    });
    EXPECT_LT(took, 3000);
}

TEST_F(OverlayTest, a_connection_whose_backend_has_gone_is_reset_when_the_client_speaks) {
    auto& client = cluster.add(1, 20);
    auto& b = cluster.add(2, 12);
    cluster.services[web] = to({b.v4()});
    cluster.services[web6] = to({b.v6()});
    cluster.apply();
    std::vector<os::Fd> held;
    for (const auto& address : {web, web6, b.v4(), b.v6()}) {
        auto fd = client.connect(address);
        ASSERT_TRUE(fd);
        ASSERT_TRUE(receive(*fd));
        held.push_back(std::move(*fd));
    }
    auto datagrams = client.connect(web, SOCK_DGRAM);
    ASSERT_TRUE(datagrams && say(*datagrams) && receive(*datagrams));
    cluster.forget(b);
    cluster.services.clear();
    cluster.apply();
    ASSERT_TRUE(say(*datagrams));
    EXPECT_EQ(receive(*datagrams).error().os_errno, ECONNREFUSED);
    for (const auto& fd : held) {
        EXPECT_TRUE(say(fd));
        const auto answer = receive(fd);
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().os_errno, ECONNRESET);
    }
}

TEST_F(OverlayTest, cutting_off_a_backend_ends_idle_connections_over_the_virtual_address_only) {
    auto& client = cluster.add(1, 20);
    auto& b = cluster.add(2, 12);
    auto& c = cluster.add(3, 13);
    cluster.services[web] = to({b.v4()});
    cluster.services[web6] = to({b.v6()});
    cluster.apply();
    auto direct = client.connect(b.v4());
    auto over4 = client.connect(web), over6 = client.connect(web6);
    auto datagrams = client.connect(web, SOCK_DGRAM);
    ASSERT_TRUE(direct && over4 && over6 && datagrams);
    for (const auto* fd : {&*direct, &*over4, &*over6}) { ASSERT_TRUE(receive(*fd)); }
    ASSERT_TRUE(say(*datagrams));
    EXPECT_EQ(*receive(*datagrams), "c12 10.8.0.20");
    cluster.services[web] = to({c.v4()});
    cluster.services[web6] = to({c.v6()});
    cluster.apply();
    ASSERT_TRUE(say(*over4));
    EXPECT_EQ(*receive(*over4), "c12") << "what is open goes on until it is cut off";
    ASSERT_TRUE(cluster.overlay(1).cut_off(b.v4()));
    ASSERT_TRUE(cluster.overlay(1).cut_off(b.v6()));
    for (const auto* fd : {&*over4, &*over6}) {
        const auto answer = receive(*fd); // without a word
        ASSERT_FALSE(answer) << *answer;
        EXPECT_EQ(answer.error().os_errno, ECONNRESET);
    }
    ASSERT_TRUE(say(*datagrams));
    EXPECT_EQ(*receive(*datagrams), "c13 10.8.0.20");
    ASSERT_TRUE(say(*direct));
    EXPECT_EQ(*receive(*direct), "c12");
}

TEST_F(OverlayTest, no_connection_fails_while_backends_come_and_go) {
    auto& client = cluster.add(1, 20);
    auto& a = cluster.add(1, 11);
    auto& b = cluster.add(2, 12);
    auto& c = cluster.add(3, 13);
    cluster.services[web] = to({a.v4(), b.v4(), c.v4()});
    cluster.apply();
    std::atomic<bool> done = false;
    std::map<std::string, int> answers;
    std::thread asking([&] {
        while (!done) { ++answers[client.ask(web)]; }
    });
    for (const auto& some :
         {to({a.v4()}), to({b.v4(), c.v4()}), to({c.v4(), a.v4(), b.v4()}), to({b.v4()}, true),
          to({a.v4(), c.v4()}, true), to({c.v4(), b.v4()}), to({a.v4(), b.v4(), c.v4()})}) {
        for (int i = 0; i < 5; ++i) {
            cluster.services[web] = i % 2 == 0 ? some : to({b.v4(), a.v4()});
            cluster.apply();
        }
    }
    done = true;
    asking.join();
    for (const auto& [answer, times] : answers) {
        EXPECT_TRUE(answer.starts_with("c1")) << answer << ", " << times << " times";
    }
}

TEST_F(OverlayTest, by_client_an_address_stays_with_its_backend_while_others_go) {
    auto& a = cluster.add(1, 11);
    auto& b = cluster.add(2, 12);
    auto& c = cluster.add(3, 13);
    std::vector<TestContainer*> clients;
    for (int i = 0; i < 8; ++i) { clients.push_back(&cluster.add(1, 30 + i)); }
    cluster.services[web] = to({a.v4(), b.v4(), c.v4()}, true);
    cluster.apply();
    std::map<TestContainer*, std::string> before;
    std::set<std::string> used;
    for (auto* client : clients) {
        before[client] = client->ask(web);
        used.insert(before[client].substr(0, 3));
        for (int i = 0; i < 3; ++i) { EXPECT_EQ(client->ask(web), before[client]); }
    }
    EXPECT_GE(used.size(), 2u);
    cluster.services[web] = to({a.v4(), c.v4()}, true);
    cluster.apply();
    for (auto* client : clients) {
        const auto now = client->ask(web);
        if (before[client].starts_with("c12")) {
            EXPECT_FALSE(now.starts_with("c12"));
        } else {
            EXPECT_EQ(now, before[client]);
        }
    }
}

TEST_F(OverlayTest, a_container_cannot_send_from_an_address_that_is_not_its_own) {
    auto& bad = cluster.add(1, 11);
    auto& near = cluster.add(1, 12);
    auto& far = cluster.add(2, 13);
    auto& here = cluster.add(1, 14);
    auto& there = cluster.add(2, 15);
    cluster.apply();
    auto inside = os::Netlink::open_in(bad.netns).value();
    const int eth0 = inside.link("eth0")->index;
    for (const auto& stolen :
         {here.v4(), there.v4(), ip("10.8.0.99"), ip("192.0.2.1"), here.v6(), there.v6()}) {
        ASSERT_TRUE(inside.add_address({stolen.bytes(), stolen.width(), eth0}));
        for (auto* target : {&near, &far}) {
            auto fd = bad.connect(stolen.is_v4() ? target->v4() : target->v6(), SOCK_DGRAM, stolen);
            ASSERT_TRUE(fd) << fd.error().message;
            ASSERT_TRUE(say(*fd));
        }
    }
    for (auto* target : {&near, &far}) {
        auto honest = bad.connect(target->v4(), SOCK_DGRAM, bad.v4());
        ASSERT_TRUE(honest && say(*honest) && receive(*honest));
        EXPECT_EQ(target->server->udp_peers(), std::vector<Ip>{bad.v4()});
    }
}

/// Counts frames on the port of node 1 that are not what we want to see there.
struct UnderlayWatch {
    explicit UnderlayWatch(const os::Fd& netns) {
        socket = os::socket_in_netns(netns, {AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)}).value();
    }
    struct Frames {
        int vxlan = 0, other = 0;
    };
    Frames frames() const {
        Frames seen;
        unsigned char data[2048];
        for (;;) {
            const auto got = ::recv(socket.raw(), data, sizeof data, MSG_DONTWAIT);
            if (got < 0) { return seen; }
            const int protocol = data[12] << 8 | data[13];
            if (protocol == ETH_P_ARP) { continue; } // nodes look for nodes
            const bool vxlan = protocol == ETH_P_IP && data[23] == IPPROTO_UDP &&
                               (data[36] << 8 | data[37]) == 4789;
            const bool unicast = vxlan && (data[0] & 1) == 0 && (data[50] & 1) == 0;
            const bool ip_inside = vxlan && data[62] == 0x08 && data[63] == 0;
            ++(unicast && ip_inside ? seen.vxlan : seen.other);
        }
    }
    os::Fd socket;
};

TEST_F(OverlayTest, the_underlay_carries_packets_to_single_nodes_and_nothing_else) {
    auto& client = cluster.add(1, 20);
    auto& there = cluster.add(2, 12);
    cluster.services[web] = to({});
    cluster.apply();
    EXPECT_EQ(client.ask(there.v4()), "c12 10.8.0.20"); // nodes have found each other
    const UnderlayWatch watch(cluster.underlay());
    EXPECT_EQ(client.ask(there.v4()), "c12 10.8.0.20");
    (void)client.ask(web);
    (void)client.ask(ip("10.8.0.99"));
    auto broadcast = client.connect(ip("224.0.0.251"), SOCK_DGRAM);
    if (broadcast) { (void)say(*broadcast); }
    const auto seen = watch.frames();
    EXPECT_GE(seen.vxlan, 6);
    EXPECT_EQ(seen.other, 0);
}

TEST_F(OverlayTest, an_address_moves_between_nodes_and_back) {
    auto& client = cluster.add(1, 20);
    auto& first = cluster.add(2, 12);
    cluster.apply();
    EXPECT_EQ(client.ask(first.v4()), "c12 10.8.0.20");
    for (const NodeIndex node : {3, 1, 2}) {
        auto& moved = cluster.add(node, 12, "at" + std::to_string(node));
        cluster.apply();
        EXPECT_EQ(client.ask(moved.v4()), moved.name + " 10.8.0.20");
        EXPECT_EQ(client.ask(moved.v6()), moved.name + " fd08::14");
    }
}

TEST_F(OverlayTest, repair_mends_what_was_tampered_with_and_says_how_much) {
    auto& client = cluster.add(1, 20);
    auto& here = cluster.add(1, 11);
    auto& there = cluster.add(2, 12);
    cluster.services[web] = to({here.v4(), there.v4()});
    cluster.apply();
    auto& overlay = cluster.overlay(1);
    EXPECT_EQ(overlay.repair().value_or(99), 0u);
    const auto broken = os::run_in_netns(cluster.inside(1), [&]() -> Result<void> {
        TRY_LET(netlink, os::Netlink::open());
        const int vx0 = netlink.link("vx0")->index;
        for (const auto& address : {here.v4(), there.v6()}) {
            TRY(netlink.remove_route({address.bytes(), address.width(), "", 0, address.is_v6()}));
        }
        os::Route stray{ip("10.8.0.50").bytes(), 32, overlay_hop(3).bytes(), vx0};
        stray.onlink = true;
        TRY(netlink.replace_route(stray));
        TRY(netlink.replace_neighbour({overlay_hop(2).bytes(), "02:00:00:00:00:09", vx0}));
        TRY(netlink.remove_forwarding({overlay_mac(2), "", vx0}));
        TRY(netlink.replace_forwarding({overlay_mac(9), ip("10.99.0.9").bytes(), vx0}));
        os::Route refused{ip("10.8.0.0").bytes(), 16};
        refused.unreachable = true;
        TRY(netlink.remove_route(refused));
        TRY_LET(nft, os::Nft::open());
        return nft.apply("delete element inet overlay slots4 { 10.8.9.1 . 1 }");
    });
    ASSERT_TRUE(broken) << broken.error().message;
    EXPECT_EQ(overlay.repair().value_or(99), 8u);
    EXPECT_EQ(overlay.repair().value_or(99), 0u);
    const std::map<std::string, int> both = {{"c11 10.8.0.20", 2}, {"c12 10.8.0.20", 2}};
    EXPECT_EQ(ask_often(client, web, 4), both);
    EXPECT_EQ(client.ask(there.v6()), "c12 fd08::14");
    EXPECT_EQ(client.ask(ip("10.8.0.50")), "ECONNREFUSED");
    ASSERT_TRUE(os::run_in_netns(cluster.inside(1), []() -> Result<void> {
        TRY_LET(nft, os::Nft::open());
        return nft.apply("flush ruleset");
    }));
    EXPECT_GT(overlay.repair().value_or(0), 10u);
    EXPECT_EQ(ask_often(client, web, 4), both);
    cluster.services[web] = to({here.v4()});
    cluster.apply();
    EXPECT_EQ(client.ask(web), "c11 10.8.0.20") << "changes go on from what was repaired";
}

TEST_F(OverlayTest, what_a_life_before_has_left_is_adopted_without_a_break) {
    auto& client = cluster.add(1, 20);
    auto& there = cluster.add(2, 12);
    auto& other = cluster.add(3, 13);
    cluster.services[web] = to({there.v4()});
    cluster.apply();
    auto held = client.connect(web);
    ASSERT_TRUE(held && receive(*held));
    const auto before = cluster.overlay(1).state();
    cluster.node(1).overlay.reset();
    EXPECT_EQ(client.ask(web), "c12 10.8.0.20");
    cluster.open(1);
    auto found = cluster.overlay(1).state();
    EXPECT_TRUE(found.services.empty()) << "those come anew, all at once, with the first apply()";
    found.services = before.services;
    EXPECT_EQ(found, before);
    EXPECT_EQ(cluster.overlay(1).repair().value_or(99), 0u);
    EXPECT_EQ(client.ask(web), "c12 10.8.0.20");
    cluster.services[web] = to({other.v4()});
    cluster.forget(there);
    cluster.apply();
    EXPECT_EQ(client.ask(web), "c13 10.8.0.20");
    EXPECT_EQ(client.ask(there.v4()), "ECONNREFUSED");
    ASSERT_TRUE(cluster.overlay(1).cut_off(there.v4()));
    EXPECT_FALSE(receive(*held)) << "the connection of the life before";
}

TEST_F(OverlayTest, one_made_for_another_plan_is_a_conflict) {
    for (int what = 0; what < 4; ++what) {
        auto plan = cluster.node(1).plan;
        if (what == 0) { plan.vni = 5000; }
        if (what == 1) { plan.self = 7; }
        if (what == 2) { plan.mtu = 1300; }
        if (what == 3) { plan.gateways = {ip("10.8.0.2"), ip("fd08::1")}; }
        ASSERT_TRUE(cluster.on_node(1, [&]() -> Result<void> {
            const auto opened = Overlay::open(plan);
            EXPECT_TRUE(!opened && opened.error().code == Errc::Conflict) << what;
            return ok();
        }));
    }
}

TEST_F(OverlayTest, a_network_is_made_again_right_after_it_was_removed) {
    const auto plan = cluster.node(1).plan;
    cluster.node(1).overlay.reset();
    ASSERT_TRUE(Overlay::remove(plan.path));
    EXPECT_FALSE(os::is_netns(plan.path));
    ASSERT_TRUE(Overlay::remove(plan.path)) << "absent is success";
    ASSERT_TRUE(os::create_netns(plan.path, {})) << "a life before came no further";
    cluster.open(1);
    auto& client = cluster.add(1, 20);
    auto& there = cluster.add(2, 12);
    cluster.apply();
    EXPECT_EQ(client.ask(there.v4()), "c12 10.8.0.20");
}

TEST_F(OverlayTest, a_container_may_come_after_its_address_was_told) {
    auto& client = cluster.add(1, 20);
    auto state = cluster.state_for(1);
    state.local[ip("10.8.0.11")] = "veth100000011";
    ASSERT_TRUE(cluster.overlay(1).apply(state));
    EXPECT_EQ(client.ask(ip("10.8.0.11")), "ECONNREFUSED");
    EXPECT_EQ(cluster.overlay(1).repair().value_or(99), 0u);
    cluster.add(1, 11);
    EXPECT_EQ(client.ask(ip("10.8.0.11")), "c11 10.8.0.20");
}

TEST_F(OverlayTest, thousands_of_addresses_are_a_matter_of_milliseconds) {
    auto& overlay = cluster.overlay(1);
    auto state = cluster.state_for(1);
    for (int i = 0; i < 4000; ++i) {
        state.remote[ip("10.8.16.0").plus(i)] = 2;
        state.remote[ip("fd08::1:0").plus(i)] = 3;
    }
    const double all = time_of([&] { EXPECT_TRUE(overlay.apply(state)); });
    state.remote.erase(ip("10.8.16.7"));
    const double one = time_of([&] { EXPECT_TRUE(overlay.apply(state)); });
    const double look = time_of([&] { EXPECT_EQ(overlay.repair().value_or(99), 0u); });
    std::printf("8000 addresses: %.0f ms; one of them: %.1f ms; nothing to repair: %.0f ms\n", all,
                one, look);
    EXPECT_LT(all, 5000);
    state.remote.clear();
    EXPECT_TRUE(overlay.apply(state));
}

TEST(OverlayUnderlay, may_be_of_ipv6) {
    TestCluster cluster(2, Family::V6);
    auto& client = cluster.add(1, 20);
    auto& there = cluster.add(2, 12);
    cluster.services[web] = to({there.v4()});
    cluster.apply();
    EXPECT_EQ(client.ask(there.v4()), "c12 10.8.0.20");
    EXPECT_EQ(client.ask(there.v6()), "c12 fd08::14");
    EXPECT_EQ(client.ask(web), "c12 10.8.0.20");
}

} // namespace
} // namespace shoal::network
