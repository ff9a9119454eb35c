#include "network/mesh.h"

#include "network/mesh_test_lab.h"
#include "os/conntrack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace shoal::network {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using namespace lab;

std::string b(int node) { return "b" + std::to_string(node); }
std::uint16_t port_of(int task) { return static_cast<std::uint16_t>(8080 + task); }

/// Ports 8081..8083 lead to one task each, 8080 to all.
void publish_usual(Lab& lab) {
    for (int task = 1; task <= node_count; ++task) { lab.publish(port_of(task), {task}); }
    lab.publish(8080, {1, 2, 3});
    lab.apply_all();
}

struct Mesh3 : ::testing::Test {
    Mesh3() { publish_usual(lab); }
    Lab lab;
};

void every_pair_answers(Lab& lab) {
    for (int entry = 1; entry <= node_count; ++entry) {
        for (int task = 1; task <= node_count; ++task) {
            for (const auto kind : {Kind::Tcp, Kind::Udp}) {
                EXPECT_EQ(ask(lab.client, {node_v4(entry), port_of(task), kind}),
                          b(task) + " " + client_v4)
                    << "entered at " << entry;
                EXPECT_EQ(ask(lab.client, {node_v6(entry), port_of(task), kind}),
                          b(task) + " " + client_v6)
                    << "entered at " << entry;
            }
        }
    }
}

TEST_F(Mesh3, every_node_leads_to_tasks_on_every_node_which_see_the_client) {
    every_pair_answers(lab);
}

TEST(MeshWithoutEgressHook, every_node_leads_to_tasks_on_every_node_which_see_the_client) {
    Lab lab({MeshReplies::RulePerNode, {}});
    publish_usual(lab);
    every_pair_answers(lab);
}

TEST(MeshOverIpv6, every_node_leads_to_tasks_on_every_node_which_see_the_client) {
    Lab lab({MeshReplies::Detect, {}, true});
    publish_usual(lab);
    every_pair_answers(lab);
}

TEST_F(Mesh3, spreads_connections_exactly_for_any_number_of_tasks) {
    using Counts = std::map<std::string, int>;
    const auto seen = [](int task) { return b(task) + " " + client_v4; };
    const Target all{node_v4(1), 8080};
    (void)ask_often(lab.client, {node_v4(1), 8082}, 5); // counters of other ports are others
    EXPECT_EQ(ask_often(lab.client, all, 90),
              (Counts{{seen(1), 30}, {seen(2), 30}, {seen(3), 30}}));
    const Target udp{node_v4(1), 8080, Kind::Udp};
    EXPECT_EQ(ask_often(lab.client, udp, 90),
              (Counts{{seen(1), 30}, {seen(2), 30}, {seen(3), 30}}));
    lab.publish(8080, {2, 3});
    lab.apply(1);
    EXPECT_EQ(ask_often(lab.client, all, 40), (Counts{{seen(2), 20}, {seen(3), 20}}));
    lab.publish(8080, {1, 2, 3});
    lab.apply(1);
    EXPECT_EQ(ask_often(lab.client, all, 30),
              (Counts{{seen(1), 10}, {seen(2), 10}, {seen(3), 10}}));
}

TEST_F(Mesh3, what_carries_the_mesh_is_not_tracked) {
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8082}), "b2 " + client_v4);
    for (const int node : {1, 2}) {
        auto tracked = os::Conntrack::open_in(lab.nodes[node].netns);
        ASSERT_TRUE(tracked);
        for (const auto& address : {node_v4(1), node_v4(2)}) {
            const auto connections = tracked->answered_by(ip(address).bytes());
            ASSERT_TRUE(connections);
            for (const auto& connection : *connections) {
                EXPECT_NE(connection.destination_port, 4789);
            }
        }
    }
}

TEST_F(Mesh3, by_client_leads_a_client_to_the_same_task_wherever_it_enters) {
    lab.publish(8090, {1, 2, 3}, true);
    lab.apply_all();
    std::set<std::string> seen;
    for (int entry = 1; entry <= node_count; ++entry) {
        for (int i = 0; i < 5; ++i) { seen.insert(ask(lab.client, {node_v4(entry), 8090})); }
    }
    EXPECT_EQ(seen.size(), 1u);
    EXPECT_THAT(*seen.begin(), HasSubstr(client_v4));
}

TEST_F(Mesh3, one_source_port_may_enter_at_three_nodes_and_end_at_one_task) {
    std::vector<std::unique_ptr<Talk>> talks;
    for (int entry = 1; entry <= node_count; ++entry) {
        talks.push_back(
            std::make_unique<Talk>(lab.client, Target{node_v4(entry), 8082, Kind::Tcp, 45555}));
    }
    for (auto& talk : talks) { EXPECT_EQ(talk->say(), "b2 " + client_v4); }
}

TEST_F(Mesh3, big_transfers_pass_the_smaller_packets_of_the_mesh) {
    for (auto* end : {&lab.client, &lab.tasks[3]}) { // as behind firewalls that drop all of ICMP
        EXPECT_EQ(end->nft("table inet deaf { chain in { type filter hook input priority 0; "
                           "icmp type destination-unreachable drop; "
                           "icmpv6 type packet-too-big drop; }; }"),
                  "");
    }
    for (const auto& entry : {node_v4(1), node_v6(1)}) {
        Talk talk(lab.client, {entry, 8083});
        talk.send(std::string(1000000, 'y'));
        ::shutdown(talk.fd().raw(), SHUT_WR);
        std::string all;
        for (auto more = talk.say(""); more.starts_with("b3"); more = talk.say("")) { all += more; }
        EXPECT_EQ(talk.failure(), "");
        EXPECT_THAT(all, HasSubstr("b3"));
        EXPECT_EQ(talk.say(""), "end") << "the other side has read everything";
    }
}

TEST_F(Mesh3, a_node_reaches_published_ports_at_127_0_0_1_and_at_its_own_addresses) {
    for (int node = 1; node <= node_count; ++node) {
        for (int task = 1; task <= node_count; ++task) {
            for (const auto kind : {Kind::Tcp, Kind::Udp}) {
                for (const auto& at : {std::string("127.0.0.1"), node_v4(node), node_v6(node)}) {
                    EXPECT_THAT(ask(lab.nodes[node], {at, port_of(task), kind}),
                                HasSubstr(b(task) + " "))
                        << node << " " << at;
                }
            }
        }
    }
    EXPECT_EQ(ask(lab.nodes[1], {node_v4(1), 8082}), "b2 10.99.0.1");
}

TEST_F(Mesh3, a_node_reaches_the_ports_of_other_nodes_also_when_they_lead_back_to_it) {
    EXPECT_EQ(ask(lab.nodes[1], {node_v4(3), 8082}), "b2 10.99.0.1");
    for (const auto& other : {node_v4(2), node_v6(2)}) {
        EXPECT_THAT(ask(lab.nodes[1], {other, 8081}), HasSubstr("b1 "));
        EXPECT_THAT(ask(lab.nodes[1], {other, 8081, Kind::Udp}), HasSubstr("b1 "));
    }
}

void containers_reach(Lab& lab) {
    for (int task = 1; task <= node_count; ++task) {
        for (const auto kind : {Kind::Tcp, Kind::Udp}) {
            for (const auto* at : {"10.99.0.1", "172.18.0.1", "10.99.0.2", "fd99::1", "fd99::2"}) {
                EXPECT_THAT(ask(lab.tasks[1], {at, port_of(task), kind}), HasSubstr(b(task) + " "))
                    << "the task itself, to " << at;
                EXPECT_THAT(ask(lab.neighbour, {at, port_of(task), kind}), HasSubstr(b(task) + " "))
                    << "a container on the same bridge, to " << at;
            }
            for (const auto* at : {"10.99.0.1", "172.19.0.1", "10.99.0.2", "fd99::1", "fd99::2"}) {
                EXPECT_THAT(ask(lab.beside, {at, port_of(task), kind}), HasSubstr(b(task) + " "))
                    << "a container beside, to " << at;
            }
        }
    }
}

TEST_F(Mesh3, containers_on_any_bridge_reach_published_ports_also_their_own) {
    containers_reach(lab);
}

/// There the answer of a task on the same bridge does not leave the bridge, so that ports must not
/// be isolated; the main table keeps containers apart.
TEST_F(Mesh3, containers_reach_published_ports_also_where_bridges_are_filtered) {
    for (auto& [index, node] : lab.nodes) {
        for (const char* family : {"iptables", "ip6tables"}) {
            node.set(std::string("net.bridge.bridge-nf-call-") + family, "1");
        }
        for (const auto& link : node.links->links().value_or({})) {
            if (link.master != 0) {
                EXPECT_TRUE(node.links->set_port_flags(link.index, {false, true}));
            }
        }
    }
    containers_reach(lab);
    EXPECT_EQ(ask(lab.neighbour, {"172.18.0.11", 80, Kind::Tcp, 0, 400}), "timeout")
        << "containers are kept apart";
}

TEST_F(Mesh3, ports_without_tasks_are_refused_also_where_somebody_listens) {
    lab.publish(8080, {});
    lab.apply_all();
    const Server listens(lab.nodes[1], "host", 8080);
    for (const auto kind : {Kind::Tcp, Kind::Udp}) {
        EXPECT_EQ(ask(lab.client, {node_v4(1), 8080, kind}), "refused");
        EXPECT_EQ(ask(lab.client, {node_v6(1), 8080, kind}), "refused");
        EXPECT_EQ(ask(lab.nodes[1], {"127.0.0.1", 8080, kind}), "refused");
        EXPECT_EQ(ask(lab.tasks[1], {node_v4(1), 8080, kind}), "refused");
    }
    lab.publish(8080, {2});
    lab.apply_all();
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8080}), "b2 " + client_v4);
}

TEST_F(Mesh3, only_published_ports_are_reached_over_the_mesh) {
    const Server hidden(lab.tasks[2], "hidden", 81);
    const Server host_service(lab.nodes[2], "host", 82);
    const Target to_hidden{task_ip(2).text(), 81, Kind::Tcp, 0, 400};
    EXPECT_EQ(ask(lab.nodes[1], to_hidden), "timeout");
    lab.router.way(task_ip(2).text(), 32, node_v4(1));
    Talk(lab.client, {task_ip(2).text(), 80, Kind::Udp}).send("direct");
    EXPECT_EQ(ask(lab.client, {node_v4(1), 8082, Kind::Udp}), "b2 " + client_v4);
    EXPECT_EQ(lab.servers[2]->heard(), "hi") << "addresses of tasks are for nodes";
}

TEST_F(Mesh3, services_of_a_node_are_not_reached_over_the_mesh_even_from_a_careless_one) {
    const Server host_service(lab.nodes[2], "host", 82);
    const Server hidden(lab.tasks[2], "hidden", 81);
    auto& careless = lab.nodes[1];
    EXPECT_EQ(careless.nft("flush chain inet shoal_0_mesh leave"), "");
    os::Route way;
    way.destination = way.gateway = overlay_hop(2).bytes();
    way.bits = 32;
    way.link = careless.links->link("shoalm0")->index;
    way.onlink = true;
    EXPECT_TRUE(careless.links->replace_route(way));
    EXPECT_EQ(ask(careless, {overlay_hop(2).text(), 82, Kind::Tcp, 0, 400}), "timeout");
    EXPECT_EQ(ask(careless, {task_ip(2).text(), 81, Kind::Tcp, 0, 400}), "timeout");
    EXPECT_EQ(ask(careless, {task_ip(2).text(), 80, Kind::Tcp, 0, 400}), "b2 169.254.0.1")
        << "a published port is";
}

} // namespace
} // namespace shoal::network
