// A whole agent against a whole dispatcher.
#include "world.h"

namespace shoal::swarm {
namespace {

struct NodeTest : testing::Test {
    World world;
    WorldManager& m1 = world.add_manager("m1");
    WorldNode* n1 = nullptr;

    void begin(const std::function<void(WorldNode&)>& prepare = {}) {
        world.lead(&m1);
        n1 = &world.add_node("n1");
        if (prepare) { prepare(*n1); }
        n1->start();
        world.pass_until([&] { return world.ready("n1"); });
    }
    void run_task(const std::string& id) {
        world.put_task(id, "n1");
        world.pass_until([&] { return world.state_of(id) == pb::RUNNING; });
    }
};

TEST_F(NodeTest, registers_and_says_what_it_is) {
    begin();
    const auto node = world.store.get<pb::Node>("n1");
    EXPECT_EQ(node->description().hostname(), "n1");
    EXPECT_EQ(node->description().shoal_version(), "0.1");
    EXPECT_EQ(node->status().addr(), "10.0.0.1");
    world.pass(1s);
    ASSERT_FALSE(n1->executor.configured.empty());
    EXPECT_EQ(n1->executor.configured.back().id(), "n1");
}

TEST_F(NodeTest, a_new_task_runs_within_milliseconds) {
    begin();
    world.pass(10s); // idle
    world.put_task("t1", "n1");
    const auto took = world.pass_until([&] { return world.state_of("t1") == pb::RUNNING; });
    EXPECT_LT(took, 10ms);
    EXPECT_TRUE(world.store.get<pb::Task>("t1")->has_running_since());
    EXPECT_EQ(world.store.get<pb::Task>("t1")->status().applied_by(), "m1");
}

TEST_F(NodeTest, a_manager_that_writes_slowly_is_not_left_and_takes_its_nodes_for_alive) {
    world.writer.takes = 4s;
    begin();
    world.put_task("t1", "n1");
    world.pass_until([&] { return world.state_of("t1") == pb::RUNNING; });
    world.writer.takes = 7s; // longer than an agent waits for an answer
    world.set_desired("t1", pb::SHUTDOWN);
    world.pass_until([&] { return world.state_of("t1") == pb::SHUTDOWN; });
    world.writer.takes = 0s;
    world.pass(20s);
    EXPECT_TRUE(world.ready("n1"));
    EXPECT_EQ(n1->transport->connects, 1u);
}

TEST_F(NodeTest, a_hundred_tasks_of_a_slow_writer_come_in_few_writes) {
    begin();
    world.writer.takes = 20ms;
    const auto before = world.writer.writes;
    world.change([&](Tx& tx) {
        for (int i = 0; i < 100; ++i) { tx.put(world.make_task("t" + std::to_string(i), "n1")); }
    });
    world.pass_until([&] { return world.state_of("t99") == pb::RUNNING; });
    world.pass(1s);
    EXPECT_LT(world.writer.writes - before, 20u);
}

TEST_F(NodeTest, a_task_is_stopped_and_removed_as_its_manager_wants) {
    begin();
    run_task("t1");
    world.set_desired("t1", pb::SHUTDOWN);
    world.pass(100ms);
    EXPECT_EQ(world.state_of("t1"), pb::SHUTDOWN);
    world.change([](Tx& tx) { tx.erase<pb::Task>("t1"); });
    world.pass(100ms);
    EXPECT_TRUE(n1->executor.programs.empty());
    EXPECT_TRUE(n1->memory.tasks.empty());
}

TEST_F(NodeTest, a_secret_comes_before_its_task_and_to_nobody_else) {
    begin();
    auto& n2 = world.add_node("n2");
    n2.start();
    world.pass_until([&] { return world.ready("n2"); });
    pb::Secret secret;
    secret.set_id("s1");
    secret.mutable_spec()->set_data("hunter2");
    auto task = world.make_task("t1", "n1");
    task.mutable_spec()->mutable_container()->add_secrets()->set_secret_id("s1");
    auto other = world.make_task("t2", "n2");
    world.change([&](Tx& tx) {
        tx.put(secret);
        tx.put(task);
        tx.put(other);
    });
    world.pass(100ms);
    EXPECT_EQ(n1->executor.given["t1"].secrets.at("s1")->spec().data(), "hunter2");
    EXPECT_TRUE(n2.executor.given["t2"].secrets.empty());
}

TEST_F(NodeTest, a_broken_connection_is_noticed_at_once_and_forgiven) {
    begin();
    run_task("t1");
    n1->transport->cut();
    world.pass_until([&] { return world.node_state("n1") == pb::NodeStatus::DISCONNECTED; });
    const auto took = world.pass_until([&] { return world.ready("n1"); });
    EXPECT_LT(took, 1s);
    world.pass(10s);
    EXPECT_TRUE(world.ready("n1"));
    EXPECT_EQ(n1->executor.count("start t1"), 1u);
    EXPECT_EQ(n1->executor.count("shutdown t1"), 0u);
}

TEST_F(NodeTest, a_node_that_died_is_down_within_three_seconds) {
    begin();
    n1->kill();
    const auto took =
        world.pass_until([&] { return world.node_state("n1") == pb::NodeStatus::DOWN; });
    EXPECT_LE(took, 2100ms);
    EXPECT_GE(took, 1900ms);
}

TEST_F(NodeTest, a_node_that_lost_its_power_is_down_within_three_seconds) {
    begin();
    world.pass(10s);
    n1->transport->mute = n1->transport->deaf = true;
    const auto took =
        world.pass_until([&] { return world.node_state("n1") == pb::NodeStatus::DOWN; });
    EXPECT_LE(took, 3s);
    EXPECT_GE(took, 1s);
}

TEST_F(NodeTest, a_node_is_not_taken_for_lost_while_it_lives) {
    begin();
    world.pass(1min); // the manager has no agent here and is down by now
    const auto registered = world.writer.writes;
    world.pass(10min);
    EXPECT_EQ(world.writer.writes, registered);
    EXPECT_EQ(n1->transport->connects, 1u);
}

TEST_F(NodeTest, a_node_that_says_it_will_be_back_is_waited_for) {
    begin([](WorldNode& node) { node.settings.session.absence = 30s; });
    run_task("t1");
    n1->stop();
    world.pass(25s);
    EXPECT_EQ(world.node_state("n1"), pb::NodeStatus::DISCONNECTED);
    n1->start();
    world.pass(1s);
    EXPECT_TRUE(world.ready("n1"));
    EXPECT_EQ(n1->executor.count("start t1"), 1u);
    n1->stop();
    world.pass(31s);
    EXPECT_EQ(world.node_state("n1"), pb::NodeStatus::DOWN);
}

TEST_F(NodeTest, what_ended_without_a_manager_is_told_later) {
    begin();
    run_task("t1");
    run_task("t2");
    world.crash(m1);
    n1->executor.exit("t1", 5);
    world.pass(100s);
    m1.up = true;
    world.lead(&m1);
    world.pass(10s);
    EXPECT_EQ(world.state_of("t1"), pb::FAILED);
    EXPECT_EQ(world.store.get<pb::Task>("t1")->status().container().exit_code(), 5);
    EXPECT_EQ(world.state_of("t2"), pb::RUNNING);
    EXPECT_EQ(n1->executor.count("start t2"), 1u);
}

TEST_F(NodeTest, a_restarted_node_takes_up_its_tasks) {
    begin();
    run_task("t1");
    run_task("t2");
    n1->kill();
    n1->executor.exit("t2", 1);
    n1->start();
    world.pass(1s);
    EXPECT_EQ(world.state_of("t1"), pb::RUNNING);
    EXPECT_EQ(world.state_of("t2"), pb::FAILED);
    EXPECT_EQ(n1->executor.count("start t1"), 1u);
    EXPECT_EQ(n1->executor.count("shutdown t1"), 0u);
}

TEST_F(NodeTest, a_node_that_comes_back_late_stops_what_was_replaced) {
    begin();
    run_task("t1");
    run_task("gone");
    n1->transport->mute = n1->transport->deaf = true;
    world.pass_until([&] { return world.node_state("n1") == pb::NodeStatus::DOWN; });
    world.set_desired("t1", pb::SHUTDOWN);
    world.change([](Tx& tx) { tx.erase<pb::Task>("gone"); });
    world.pass(60s);
    EXPECT_EQ(n1->executor.running(), 2u);
    n1->transport->mute = n1->transport->deaf = false;
    n1->transport->cut();
    world.pass(10s);
    EXPECT_TRUE(world.ready("n1"));
    EXPECT_EQ(n1->executor.running(), 0u);
    EXPECT_EQ(world.state_of("t1"), pb::SHUTDOWN);
    EXPECT_FALSE(n1->executor.programs.contains("gone"));
}

TEST_F(NodeTest, a_report_whose_answer_was_lost_is_made_again_without_a_second_write) {
    begin();
    n1->executor.fallback.prepare_takes = 1s;
    auto first = world.make_task("t1", "n1");
    first.set_desired_state(pb::READY);
    world.change([&](Tx& tx) { tx.put(first); });
    world.pass(500ms);
    n1->transport->deaf = true;
    world.pass_until([&] { return world.state_of("t1") == pb::READY; });
    const auto applied = from_timestamp(world.store.get<pb::Task>("t1")->status().applied_at());
    n1->transport->deaf = false;
    n1->transport->cut();
    world.pass(10s);
    EXPECT_TRUE(world.ready("n1"));
    const auto task = world.store.get<pb::Task>("t1");
    EXPECT_EQ(task->status().state(), pb::READY);
    EXPECT_EQ(from_timestamp(task->status().applied_at()), applied);
}

TEST_F(NodeTest, a_changed_description_reaches_the_manager) {
    begin();
    n1->executor.description.mutable_engine()->mutable_labels()->insert({"disk", "ssd"});
    n1->agent->describe_now();
    world.pass(1s);
    EXPECT_EQ(world.store.get<pb::Node>("n1")->description().engine().labels().at("disk"), "ssd");
    n1->executor.description.mutable_engine()->mutable_labels()->insert({"cpu", "fast"});
    world.pass(21s);
    EXPECT_EQ(world.store.get<pb::Node>("n1")->description().engine().labels().size(), 2u);
    EXPECT_TRUE(world.ready("n1"));
}

TEST_F(NodeTest, news_of_the_cluster_reach_the_node) {
    std::vector<std::string> roots;
    std::size_t managers = 0;
    std::size_t keys = 0;
    std::string label;
    begin([&](WorldNode& node) {
        node.hooks.root_ca = [&](const std::string& pem) { roots.push_back(pem); };
        node.hooks.managers = [&](const std::vector<pb::Peer>& all) { managers = all.size(); };
        node.hooks.keys = [&](const std::vector<pb::EncryptionKey>& all) { keys = all.size(); };
        node.hooks.node = [&](const pb::Node& now) {
            if (now.spec().annotations().labels().contains("a")) { label = "a"; }
        };
    });
    world.pass(1s);
    EXPECT_EQ(roots.back(), "root 1");
    EXPECT_EQ(managers, 1u);
    pb::Cluster cluster = *world.store.cluster();
    cluster.mutable_root_ca()->set_ca_cert("root 2");
    cluster.add_network_bootstrap_keys()->set_key("k");
    world.change([&](Tx& tx) { tx.put(cluster); });
    world.add_manager("m2");
    pb::Node node = *world.store.get<pb::Node>("n1");
    node.mutable_spec()->mutable_annotations()->mutable_labels()->insert({"a", "b"});
    world.change([&](Tx& tx) { tx.put(node); });
    world.pass(1s);
    EXPECT_EQ(roots.back(), "root 2");
    EXPECT_EQ(managers, 2u);
    EXPECT_EQ(keys, 1u);
    EXPECT_EQ(label, "a");
    EXPECT_EQ(n1->agent->managers().size(), 2u);
}

TEST_F(NodeTest, leaving_stops_its_tasks_and_says_so) {
    begin();
    run_task("t1");
    const auto left = net::run_task(world.loop, n1->agent->leave(net::Until(world.loop.in(10s))));
    EXPECT_TRUE(left);
    EXPECT_EQ(world.state_of("t1"), pb::SHUTDOWN);
    EXPECT_EQ(n1->executor.running(), 0u);
}

TEST_F(NodeTest, a_removed_node_loses_its_session_and_gets_no_other) {
    begin();
    world.change([&](Tx& tx) {
        tx.erase<pb::Node>("n1");
        pb::Cluster cluster = *world.store.cluster();
        (*cluster.mutable_blacklisted_certificates())["n1"];
        tx.put(cluster);
    });
    world.pass(60s);
    EXPECT_EQ(m1.dispatcher.sessions(), 0u);
    EXPECT_FALSE(n1->agent->state().in_session);
    EXPECT_NE(n1->agent->state().error.find("removed"), std::string::npos);
}

// Several managers.

TEST_F(NodeTest, a_follower_passes_on_and_the_node_follows_the_leadership) {
    auto& m2 = world.add_manager("m2");
    auto& m3 = world.add_manager("m3");
    begin();
    run_task("t1");
    world.pass(1s);
    world.crash(m1);
    world.pass(1s); // nobody leads
    world.lead(&m2);
    EXPECT_EQ(world.state_of("t1"), pb::RUNNING);
    const auto took = world.pass_until([&] { return world.ready("n1"); });
    EXPECT_LT(took, 1100ms);
    run_task("t2");
    world.lead(&m3); // without any crash
    world.pass(10ms);
    const auto again = world.pass_until([&] { return world.ready("n1"); });
    EXPECT_LT(again, 1100ms);
    run_task("t3");
    world.pass(60s);
    EXPECT_TRUE(world.ready("n1"));
    EXPECT_EQ(n1->executor.count("start t1"), 1u);
    EXPECT_EQ(n1->executor.running(), 3u);
    EXPECT_NE(m3.dispatcher.sessions(), 0u);
}

TEST_F(NodeTest, a_silent_manager_is_left_for_another) {
    begin();
    world.add_manager("m2");
    world.pass(10s);
    EXPECT_EQ(n1->agent->state().manager, m1.address);
    m1.up = false;
    n1->transport->deaf = true; // the present connection says no more
    world.lead(world.managers["m2"].get());
    world.pass(100ms);
    n1->transport->deaf = false; // new ones do
    const auto took = world.pass_until([&] { return world.ready("n1"); });
    EXPECT_LT(took, 6s);
    EXPECT_EQ(n1->agent->state().manager, world.managers["m2"]->address);
}

TEST_F(NodeTest, after_a_change_of_leaders_silent_nodes_get_twice_the_patience) {
    begin();
    n1->kill();
    world.add_manager("m2");
    world.lead(world.managers["m2"].get());
    world.pass(100ms);
    EXPECT_EQ(world.node_state("n1"), pb::NodeStatus::UNKNOWN);
    const auto took =
        world.pass_until([&] { return world.node_state("n1") == pb::NodeStatus::DOWN; });
    EXPECT_GE(took, 4500ms);
    EXPECT_LE(took, 5100ms);
}

TEST_F(NodeTest, a_manager_that_does_not_serve_yet_removes_nothing) {
    begin();
    run_task("t1");
    world.lead(nullptr);
    m1.leading = true; // it believes so, and its store is empty
    world.store.clear();
    world.change([](Tx& tx) {
        pb::Cluster cluster;
        cluster.set_id("c1");
        tx.put(cluster);
    });
    world.pass(30s);
    EXPECT_EQ(n1->executor.running(), 1u);
    EXPECT_FALSE(n1->agent->state().in_session);
    m1.leading = false;
}

TEST_F(NodeTest, a_second_daemon_with_the_same_identity_takes_the_session_over) {
    begin();
    WorldNode twin(world, "n1");
    twin.executor.description.set_hostname("twin");
    twin.start();
    world.pass(50ms);
    EXPECT_EQ(m1.dispatcher.sessions(), 1u);
    world.pass(30s); // they go on taking it from each other, and nothing else happens
    EXPECT_EQ(m1.dispatcher.sessions(), 1u);
    twin.stop();
    world.pass(20s);
    EXPECT_TRUE(world.ready("n1"));
    EXPECT_EQ(world.store.get<pb::Node>("n1")->description().hostname(), "n1");
}

} // namespace
} // namespace shoal::swarm
