#include "network/kept_table.h"
#include "network/mesh.h"
#include "network/mesh_relays.h"
#include "network/mesh_test_lab.h"
#include "network/vxlan_guard.h"

#include "net/loop.h"
#include "os/netns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::network {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using namespace lab;

struct MeshChange3 : ::testing::Test {
    MeshChange3() {
        lab.publish(8080, {2});
        lab.apply_all();
    }
    /// The task is not in the map of the node any more.
    void forget(int node, int task) {
        auto state = lab.state(node);
        state.local.erase(task_ip(task));
        state.remote.erase(task_ip(task));
        lab.in_mesh(node, [&](Mesh& mesh) { EXPECT_TRUE(mesh.apply(state)); });
    }
    std::size_t repair(int node) {
        std::size_t count = 0;
        lab.in_mesh(node, [&](Mesh& mesh) {
            const auto repaired = mesh.repair();
            EXPECT_TRUE(repaired) << (repaired ? "" : repaired.error().message);
            count = repaired ? *repaired : 0;
        });
        return count;
    }
    Lab lab;
};

TEST_F(MeshChange3, a_task_that_drains_keeps_its_connections_and_gets_no_more) {
    Talk old(lab.client, {node_v4(1), 8080});
    EXPECT_EQ(old.say(), "b2 " + client_v4);
    lab.publish(8080, {1, 3});
    lab.apply_all();
    EXPECT_EQ(old.say(), "b2 " + client_v4);
    const auto seen = ask_often(lab.client, {node_v4(1), 8080}, 20);
    EXPECT_EQ(seen, (std::map<std::string, int>{{"b1 " + client_v4, 10}, {"b3 " + client_v4, 10}}));
}

TEST_F(MeshChange3, a_udp_client_moves_when_its_task_is_gone_and_not_before) {
    for (const auto& entry : {node_v4(1), node_v6(1)}) {
        lab.publish(8080, {2});
        lab.apply_all();
        Talk talk(lab.client, {entry, 8080, Kind::Udp});
        EXPECT_THAT(talk.say(), HasSubstr("b2 "));
        lab.publish(8080, {3});
        lab.apply_all();
        EXPECT_THAT(talk.say(), HasSubstr("b2 "));
        forget(1, 2);
        EXPECT_THAT(talk.say(), HasSubstr("b3 "));
    }
}

TEST_F(MeshChange3, a_udp_client_of_a_task_on_the_entered_node_moves_as_well) {
    Talk talk(lab.client, {node_v4(2), 8080, Kind::Udp});
    EXPECT_THAT(talk.say(), HasSubstr("b2 "));
    lab.publish(8080, {3});
    lab.apply_all();
    EXPECT_THAT(talk.say(), HasSubstr("b2 "));
    forget(2, 2);
    EXPECT_THAT(talk.say(), HasSubstr("b3 "));
}

TEST_F(MeshChange3, a_tcp_client_that_only_listens_is_reset_when_its_task_is_gone) {
    for (const auto& entry : {node_v4(1), node_v4(2), node_v6(1)}) {
        lab.publish(8080, {2});
        lab.apply_all();
        Talk talk(lab.client, {entry, 8080});
        EXPECT_THAT(talk.say(), HasSubstr("b2 "));
        lab.publish(8080, {3});
        lab.apply_all();
        for (int node = 1; node <= node_count; ++node) { forget(node, 2); }
        EXPECT_EQ(talk.say(""), "reset") << "at " << entry;
    }
}

TEST_F(MeshChange3, a_port_from_which_a_client_was_cut_off_can_be_used_again) {
    for (const auto& entry : {node_v4(1), node_v4(2), node_v6(1)}) {
        lab.publish(8080, {2});
        lab.apply_all();
        const Target from_one_port{entry, 8080, Kind::Tcp, 45555};
        {
            Talk talk(lab.client, from_one_port);
            EXPECT_THAT(talk.say(), HasSubstr("b2 "));
            lab.publish(8080, {3});
            lab.apply_all();
            for (int node = 1; node <= node_count; ++node) { forget(node, 2); }
            EXPECT_EQ(talk.say(""), "reset") << "at " << entry;
        }
        EXPECT_THAT(Talk(lab.client, from_one_port).say(), HasSubstr("b3 ")) << "at " << entry;
    }
}

TEST_F(MeshChange3, a_client_does_not_stay_with_a_container_whose_address_is_on_another_node_now) {
    Talk talk(lab.client, {node_v4(2), 8080});
    EXPECT_THAT(talk.say(), HasSubstr("b2 "));
    lab.publish(8080, {3});
    lab.apply_all();
    auto state = lab.state(2);
    state.local.erase(task_ip(2));
    state.remote[task_ip(2)] = 3;
    lab.in_mesh(2, [&](Mesh& mesh) { EXPECT_TRUE(mesh.apply(state)); });
    EXPECT_EQ(talk.say(""), "reset");
}

TEST_F(MeshChange3, a_lost_node_costs_its_connections_a_reset_and_new_ones_nothing) {
    Talk old(lab.client, {node_v4(1), 8080});
    EXPECT_EQ(old.say(), "b2 " + client_v4);
    auto& lost = lab.nodes[2];
    ASSERT_TRUE(lost.links->set_up(lost.links->link("eth0")->index, false));
    lab.lost.insert(2);
    lab.publish(8080, {1, 2, 3}); // a map that is late still names it
    lab.apply_all();
    const auto seen = ask_often(lab.client, {node_v4(1), 8080}, 20);
    EXPECT_EQ(seen, (std::map<std::string, int>{{"b1 " + client_v4, 10}, {"b3 " + client_v4, 10}}));
    EXPECT_EQ(old.say(), "reset");
}

TEST_F(MeshChange3, packets_of_strangers_do_not_enter_where_the_guard_is) {
    Host stranger;
    stranger.netns = std::move(*os::create_anonymous_netns());
    stranger.links.emplace(std::move(*os::Netlink::open_in(stranger.netns)));
    const auto bridge = lab.wire.links->link("wire");
    ASSERT_TRUE(
        lab.wire.links->create_veth({"bad", "eth0", stranger.netns.raw(), "", 0, bridge->index}));
    ASSERT_TRUE(lab.wire.links->set_port_up("bad"));
    stranger.address("eth0", "10.99.0.66", 24);
    ASSERT_TRUE(stranger.links->set_up(stranger.links->link("eth0")->index, true));
    os::VxlanLink forged;
    forged.name = "vx0";
    forged.vni = 4095;
    forged.port = 4789;
    forged.local = ip("10.99.0.66").bytes();
    forged.mac = overlay_mac(1); // as if from node 1
    KeptTable guard("guard");
    const auto admit = [&](std::set<Ip> senders) {
        lab.nodes[2].run([&] {
            EXPECT_TRUE(guard.write(render_vxlan_guard({4789, std::move(senders)})));
        });
    };
    admit({ip(node_v4(1)), ip(node_v4(3))});
    ASSERT_TRUE(stranger.links->create_vxlan(forged));
    const int vx = stranger.links->link("vx0")->index;
    ASSERT_TRUE(stranger.links->set_up(vx, true));
    stranger.address("vx0", "10.0.0.66", 24);
    ASSERT_TRUE(stranger.links->replace_neighbour({task_ip(2).bytes(), overlay_mac(2), vx}));
    ASSERT_TRUE(stranger.links->replace_forwarding({overlay_mac(2), ip(node_v4(2)).bytes(), vx}));
    Talk(stranger, {task_ip(2).text(), 80, Kind::Udp}).send("forged");
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8080, Kind::Udp}), "b2 " + client_v4);
    EXPECT_EQ(lab.servers[2]->heard(), "hi");
    // The same from an address that is a node's comes through: it is the sender that was refused.
    admit({ip(node_v4(1)), ip(node_v4(3)), ip("10.99.0.66")});
    Talk(stranger, {task_ip(2).text(), 80, Kind::Udp}).send("known");
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8080, Kind::Udp}), "b2 " + client_v4);
    EXPECT_THAT(lab.servers[2]->heard(), HasSubstr("known"));
}

TEST_F(MeshChange3, operators_filter_published_ports_where_they_are_entered) {
    lab.publish(8081, {1});
    lab.publish(8082, {2});
    lab.publish(8085, {2});
    lab.apply_all();
    lab.load_main_table(
        1, "meta l4proto tcp ct original proto-dst { 8081, 8082 } reject with tcp reset");
    for (const std::uint16_t port : {8081, 8082}) {
        EXPECT_EQ(ask(lab.client, {node_v4(1), port}), "refused") << port;
        EXPECT_NE(ask(lab.client, {node_v4(2), port}), "refused") << "entered elsewhere";
    }
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8085}), "b2 " + client_v4);
    // On the node of the task the original port is the container's, which means another service.
    lab.load_main_table(2, "meta l4proto tcp ct original proto-dst 80 drop");
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8085}), "b2 " + client_v4);
}

TEST_F(MeshChange3, passes_firewalls_that_drop_what_is_forwarded_and_honour_the_mark) {
    for (auto& [index, node] : lab.nodes) {
        EXPECT_EQ(node.nft("table inet theirs { chain f { type filter hook forward priority 0; "
                           "policy drop; meta mark & 0x10000000 == 0x10000000 accept; }; }"),
                  "");
    }
    for (const auto& entry : {node_v4(1), node_v4(2), node_v6(1)}) {
        EXPECT_THAT(ask(lab.client, {entry, 8080}), HasSubstr("b2 ")) << entry;
        EXPECT_THAT(ask(lab.beside, {entry, 8080, Kind::Udp}), HasSubstr("b2 ")) << entry;
    }
}

TEST_F(MeshChange3, does_its_own_changes_in_small_transactions) {
    auto& node = lab.nodes[1];
    node.nft("add rule inet shoal_0_mesh refuse counter"); // stays unless the table is written anew
    for (const auto& tasks : std::vector<std::vector<int>>{{1, 2}, {3}, {}, {1, 2, 3}}) {
        lab.publish(8080, tasks);
        lab.publish(8088, tasks, true);
        lab.apply(1);
    }
    EXPECT_THAT(node.nft("list chain inet shoal_0_mesh refuse"), HasSubstr("counter"));
    EXPECT_EQ(repair(1), 2u) << "that rule only";
}

TEST_F(MeshChange3, passes_checks_of_forged_sources_without_a_route_to_the_client) {
    auto& node = lab.nodes[2];
    node.no_default_route();
    // What firewalld does for IPv6.
    EXPECT_EQ(node.nft("table inet theirs { chain p { type filter hook prerouting priority -140; "
                       "meta nfproto ipv6 fib saddr . mark . iif oif missing drop; }; }"),
              "");
    node.set("net.ipv4.conf.all.src_valid_mark", "1"); // what wg-quick does
    EXPECT_EQ(ask(lab.nodes[2], {"127.0.0.1", 8080}), "b2 172.18.0.1");
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8080}), "b2 " + client_v4);
    EXPECT_EQ(ask(lab.client, {node_v6(1), 8080}), "b2 " + client_v6);
}

TEST_F(MeshChange3, repairs_what_others_broke_and_says_how_much) {
    EXPECT_EQ(repair(1), 0u);
    auto& node = lab.nodes[1];
    const auto works = [&] {
        EXPECT_EQ(ask(lab.client, {node_v4(1), 8080}), "b2 " + client_v4);
        EXPECT_EQ(repair(1), 0u) << "nothing is left to do";
    };
    node.nft("flush ruleset");
    EXPECT_GT(repair(1), 10u);
    lab.load_main_table(1);
    works();
    node.nft("delete element inet shoal_0_mesh ports { tcp . 8080 }");
    EXPECT_EQ(repair(1), 1u);
    works();
    node.nft("flush chain inet shoal_0_mesh dnat_in");
    EXPECT_EQ(repair(1), 2u) << "what is wrong, and what is missing";
    works();
    const int link = node.links->link("shoalm0")->index;
    EXPECT_TRUE(node.links->remove_neighbour({overlay_hop(2).bytes(), overlay_mac(2), link}));
    EXPECT_TRUE(node.links->remove_forwarding({overlay_mac(2), ip(node_v4(2)).bytes(), link}));
    EXPECT_TRUE(
        node.links->replace_neighbour({overlay_hop(9).bytes(), overlay_mac(9), link})); // too much
    EXPECT_EQ(repair(1), 3u);
    works();
    EXPECT_TRUE(node.links->delete_link(link));
    EXPECT_GT(repair(1), 5u);
    works();
    for (const auto& rule : node.links->rules(91).value_or({})) {
        EXPECT_TRUE(node.links->remove_rule(rule));
    }
    EXPECT_EQ(repair(1), 6u);
    works();
}

TEST_F(MeshChange3, changes_after_others_broke_the_tables_write_them_anew) {
    lab.nodes[1].nft("flush map inet shoal_0_mesh ports");
    lab.publish(8080, {3, 3});
    lab.apply(1);
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8080}), "b3 " + client_v4);
}

TEST_F(MeshChange3, the_next_life_takes_over_without_losing_a_connection) {
    Talk old(lab.client, {node_v4(1), 8080});
    EXPECT_EQ(old.say(), "b2 " + client_v4);
    lab.meshes[1].reset();
    EXPECT_EQ(old.say(), "b2 " + client_v4) << "everything stays";
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8080}), "b2 " + client_v4);
    lab.nodes[1].run([&] { lab.meshes[1].emplace(std::move(*Mesh::open(lab.plan(1)))); });
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8080}), "b2 " + client_v4)
        << "before it is told anything";
    lab.lost.insert(3); // went while nobody looked
    lab.apply(1);
    EXPECT_EQ(old.say(), "b2 " + client_v4);
    EXPECT_EQ(repair(1), 0u);
    for (const auto& route : lab.nodes[1].links->routes().value_or({})) {
        EXPECT_NE(Ip::from_bytes(route.destination), task_ip(3));
    }
}

std::string snapshot(Host& host) {
    auto text = host.nft("list tables");
    for (const auto& link : host.links->links().value_or({})) { text += link.name + " "; }
    for (const auto& rule : host.links->rules(91).value_or({})) { text += rule.in_link + " rule "; }
    for (const int table : {0, 91, 92, 93, 94}) {
        for (const auto& route : host.links->routes(table).value_or({})) {
            text += Ip::from_bytes(route.destination).text() + "/" + std::to_string(route.bits) +
                    " " + Ip::from_bytes(route.gateway).text() + "\n";
        }
    }
    return text;
}

TEST(MeshRemoval, leaves_nothing) {
    for (const auto replies : {MeshReplies::Rewrite, MeshReplies::RulePerNode}) {
        Lab lab({replies, {}});
        lab.publish(8080, {2});
        lab.apply_all();
        const auto during = snapshot(lab.nodes[1]);
        EXPECT_THAT(during, HasSubstr("shoalm0"));
        EXPECT_THAT(during, HasSubstr("rule"));
        lab.in_mesh(1, [&](Mesh& mesh) {
            const auto removed = mesh.remove();
            EXPECT_TRUE(removed) << (removed ? "" : removed.error().message);
        });
        const auto after = snapshot(lab.nodes[1]);
        EXPECT_THAT(after, Not(HasSubstr("mesh")));
        EXPECT_THAT(after, Not(HasSubstr("shoalm0")));
        EXPECT_THAT(after, Not(HasSubstr("rule")));
        EXPECT_THAT(after, Not(HasSubstr("10.0.0.1")));
        EXPECT_THAT(after, Not(HasSubstr("169.254.")));
    }
}

TEST(MeshPublishedOn, limits_ports_to_some_addresses) {
    Lab lab({MeshReplies::Detect, {ip("10.99.0.1"), ip("fd99::2")}});
    lab.publish(8080, {3});
    lab.apply_all();
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8080}), "b3 " + client_v4);
    EXPECT_EQ(ask(lab.client, {node_v6(2), 8080}), "b3 " + client_v6);
    EXPECT_EQ(ask(lab.client, {node_v4(2), 8080}), "refused");
    EXPECT_EQ(ask(lab.client, {node_v6(1), 8080}), "refused");
    EXPECT_EQ(ask(lab.nodes[1], {"127.0.0.1", 8080}), "refused");
}

TEST(MeshRelay, serves_loopback_of_ipv6_which_no_rule_can) {
    Lab lab;
    lab.publish(8080, {2});
    lab.apply_all();
    EXPECT_EQ(ask(lab.nodes[1], {"::1", 8080}), "refused");
    lab.nodes[1].run([&] {
        net::Loop loop;
        MeshRelays relays(loop);
        const auto needed = MeshRelays::needed(lab.plan(1), lab.state(1));
        EXPECT_EQ(needed.size(), 2u);
        EXPECT_TRUE(relays.serve(needed).empty());
        std::string tcp, udp;
        std::jthread client([&] {
            tcp = ask(lab.nodes[1], {"::1", 8080});
            udp = ask(lab.nodes[1], {"::1", 8080, Kind::Udp});
            loop.stop();
        });
        loop.run();
        client.join();
        EXPECT_THAT(tcp, HasSubstr("b2 "));
        EXPECT_THAT(udp, HasSubstr("b2 "));
        EXPECT_TRUE(relays.serve({}).empty());
        EXPECT_EQ(ask(lab.nodes[1], {"::1", 8080}), "refused");
    });
}

} // namespace
} // namespace shoal::network
