// Nodes follow what managers tell of the cluster's networks, and tasks wait until they have.
#include "world.h"

#include <gmock/gmock.h>

namespace shoal::swarm {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

struct NetworkTest : testing::Test {
    World world;
    WorldManager& m1 = world.add_manager("m1");
    std::vector<std::string> names{"n1", "n2", "n3"};

    NetworkTest() {
        world.lead(&m1);
        world.change([](Tx& tx) {
            pb::Network network;
            network.set_id("net");
            network.mutable_driver_state()->set_name("overlay");
            tx.put(network);
        });
        for (std::uint32_t i = 0; i < names.size(); ++i) {
            world.add_node(names[i]).start();
            number(names[i], i + 1);
        }
        world.pass_until([this] { return all_ready(); });
    }
    void number(const std::string& id, std::uint32_t index) {
        pb::Node node = *world.store.get<pb::Node>(id);
        node.set_network_index(index);
        world.change([&](Tx& tx) { tx.put(node); });
    }
    bool all_ready() const {
        return std::all_of(names.begin(), names.end(),
                           [this](const auto& id) { return world.ready(id); });
    }
    void put_task(const std::string& id, const std::string& node,
                  const std::string& network = "net") {
        auto task = world.make_task(id, node);
        auto& attachment = *task.add_networks();
        attachment.mutable_network()->set_id(network);
        attachment.mutable_network()->mutable_driver_state()->set_name("overlay");
        attachment.add_addresses("10.0.1.7/24");
        world.change([&](Tx& tx) { tx.put(task); });
    }
    WorldNode& node(const std::string& id) { return *world.nodes.at(id); }
    TaskPtr task(const std::string& id) const { return world.store.get<pb::Task>(id); }
    bool runs(const std::string& id) const { return world.state_of(id) == pb::RUNNING; }
    bool reachable(const std::string& id) const { return task(id)->reachable(); }
    std::chrono::nanoseconds until_reachable(const std::string& id) {
        world.pass_until([&] { return runs(id); });
        return world.pass_until([&] { return reachable(id); });
    }
    enum class Way { Unknown, Known, Serving };
    Way way(const std::string& at, const std::string& task_id, const std::string& network = "net") {
        const auto& items = node(at).executor.network_map.items();
        const auto found = items.find("endpoint/" + network + "/" + task_id);
        if (found == items.end()) { return Way::Unknown; }
        return found->second.endpoint().serving() ? Way::Serving : Way::Known;
    }
    /// One task on each of these nodes, all reachable.
    void begin(const std::vector<std::string>& on) {
        for (const auto& id : on) { put_task("on-" + id, id); }
        for (const auto& id : on) { until_reachable("on-" + id); }
    }
    bool stopped(const std::string& id) const { return world.state_of(id) == pb::SHUTDOWN; }
    std::chrono::nanoseconds until_stopped(const std::string& id) {
        return world.pass_until([&] { return stopped(id); });
    }
};

TEST_F(NetworkTest, nodes_know_the_tasks_of_their_networks) {
    begin({"n1", "n2"});
    EXPECT_EQ(way("n1", "on-n2"), Way::Serving);
    EXPECT_EQ(way("n2", "on-n1"), Way::Serving);
    EXPECT_EQ(way("n3", "on-n1"), Way::Unknown);
    EXPECT_TRUE(node("n1").executor.network_map.items().contains("node/n3"));
    world.set_desired("on-n1", pb::SHUTDOWN);
    until_stopped("on-n1");
    world.pass(1s);
    EXPECT_EQ(node("n1").executor.network_map.count(), 0u);
    EXPECT_EQ(way("n2", "on-n1"), Way::Unknown);
}

TEST_F(NetworkTest, a_task_is_reachable_when_every_node_on_its_networks_knows_the_way) {
    begin({"n1", "n2"});
    node("n2").executor.apply_takes = 2s;
    node("n3").executor.apply_takes = 9s; // is not on it
    put_task("t", "n1");
    const auto took = until_reachable("t");
    EXPECT_GE(took, 1900ms);
    EXPECT_LE(took, 5s);
    EXPECT_EQ(way("n2", "t"), Way::Serving);
    EXPECT_EQ(task("t")->status().message(), "started");
}

TEST_F(NetworkTest, a_node_that_cannot_is_waited_for_ten_seconds_and_named) {
    begin({"n1", "n2"});
    node("n2").executor.apply_errors.assign(100, internal("no such device"));
    put_task("t", "n1");
    const auto took = until_reachable("t");
    EXPECT_GE(took, 9s);
    EXPECT_LE(took, 11s);
    EXPECT_EQ(task("t")->status().message(), "running; node n2 has not confirmed its address");
    EXPECT_THAT(m1.said, Contains(HasSubstr("node n2 cannot follow the cluster's networks: no "
                                            "such device")));
    node("n2").executor.apply_errors.clear();
    world.pass(60s);
    EXPECT_EQ(way("n2", "t"), Way::Serving);
    EXPECT_THAT(m1.said, Contains(HasSubstr("node n2 follows the cluster's networks again")));
}

TEST_F(NetworkTest, a_task_is_stopped_when_nobody_sends_it_anything_new) {
    begin({"n1", "n2"});
    node("n2").executor.apply_takes = 3s;
    world.set_desired("on-n1", pb::SHUTDOWN);
    world.pass(2s);
    EXPECT_EQ(node("n1").executor.count("shutdown on-n1"), 0u);
    EXPECT_EQ(way("n1", "on-n1"), Way::Known);
    const auto took = until_stopped("on-n1");
    EXPECT_GE(took, 900ms);
    EXPECT_LE(took, 5s);
    EXPECT_EQ(way("n2", "on-n1"), Way::Known) << "its route stays until it has ended";
}

TEST_F(NetworkTest, its_own_node_counts_and_it_does_not_wait_for_ever) {
    begin({"n1"});
    node("n1").executor.apply_errors.assign(100, internal("broken"));
    world.set_desired("on-n1", pb::REMOVE);
    const auto took = until_stopped("on-n1");
    EXPECT_GE(took, 9s);
    EXPECT_LE(took, 11s);
    EXPECT_THAT(m1.said, Contains(HasSubstr("is told to stop though node n1 has not confirmed")));
}

TEST_F(NetworkTest, tasks_without_networks_are_not_held) {
    begin({"n2"});
    node("n2").executor.apply_errors.assign(100, internal("broken"));
    world.put_task("plain", "n2");
    world.pass_until([this] { return runs("plain"); });
    world.set_desired("plain", pb::SHUTDOWN);
    EXPECT_LE(until_stopped("plain"), 1s);
}

TEST_F(NetworkTest, a_node_that_is_lost_is_not_waited_for) {
    begin({"n1", "n2"});
    node("n2").kill();
    world.pass(1s);
    world.set_desired("on-n1", pb::SHUTDOWN);
    EXPECT_LE(until_stopped("on-n1"), 1s);
    world.pass_until([this] { return world.node_state("n2") == pb::NodeStatus::DOWN; });
    put_task("t", "n1");
    EXPECT_LE(until_reachable("t"), 1s);
    EXPECT_EQ(way("n1", "on-n2"), Way::Known);
    node("n2").start();
    world.pass_until([this] { return way("n1", "on-n2") == Way::Serving; });
}

TEST_F(NetworkTest, a_new_leader_holds_until_nodes_have_confirmed_their_first_map) {
    auto& m2 = world.add_manager("m2");
    for (const auto& id : names) { node(id).agent->add_manager("m2:2377"); }
    begin({"n1", "n2"});
    for (const auto& id : {"n1", "n2"}) { node(id).executor.apply_takes = 3s; }
    world.set_desired("on-n1", pb::SHUTDOWN);
    put_task("t", "n2");
    world.pass(100ms);
    world.lead(&m2);
    const auto calls = node("n1").executor.applied.size();
    world.pass(2s);
    EXPECT_EQ(node("n1").executor.count("shutdown on-n1"), 0u);
    EXPECT_FALSE(reachable("t"));
    const auto took = until_stopped("on-n1");
    EXPECT_LE(took, 8s);
    EXPECT_TRUE(node("n1").executor.applied.at(calls).whole);
    EXPECT_EQ(way("n2", "on-n1"), Way::Known);
    until_reachable("t");
    world.pass(10s);
    EXPECT_EQ(way("n1", "t"), Way::Unknown) << "its last task there has ended";
}

TEST_F(NetworkTest, a_node_on_ingress_is_every_node_of_ours) {
    world.change([](Tx& tx) {
        pb::Network network;
        network.set_id("ing");
        network.mutable_spec()->set_ingress(true);
        network.mutable_driver_state()->set_name("overlay");
        tx.put(network);
    });
    world.pass(1s);
    for (const auto& id : names) {
        EXPECT_TRUE(node(id).executor.network_map.items().contains("network/ing"));
        EXPECT_EQ(node(id).executor.network_map.count(), 1u);
    }
    node("n3").executor.apply_takes = 2s;
    put_task("t", "n1", "ing");
    EXPECT_GE(until_reachable("t"), 1900ms);
    EXPECT_EQ(way("n3", "t", "ing"), Way::Serving);
}

TEST_F(NetworkTest, a_message_that_was_lost_leads_to_the_whole_map) {
    begin({"n1", "n2"});
    node("n2").stop();
    put_task("t", "n1");
    world.pass(1s);
    const auto calls = node("n2").executor.applied.size();
    node("n2").start();
    world.pass_until([this] { return way("n2", "t") == Way::Serving; });
    EXPECT_TRUE(node("n2").executor.applied.at(calls).whole);
}

} // namespace
} // namespace shoal::swarm
