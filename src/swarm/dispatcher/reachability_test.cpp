#include "swarm/dispatcher/network_maps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct Counting final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = next++; }
    }
    std::uint8_t next = 0;
};

struct SomeConfirmed final : Confirmed {
    std::uint64_t known(const std::string& network_id) const override {
        const auto found = upto.find(network_id);
        return found == upto.end() ? UINT64_MAX : found->second;
    }
    std::set<std::string> laggards(const std::string& network_id,
                                   std::uint64_t sequence) const override {
        return known(network_id) < sequence ? std::set<std::string>{"slow-" + network_id}
                                            : std::set<std::string>{};
    }
    std::map<std::string, std::uint64_t> upto;
};

struct ReachabilityTest : testing::Test {
    Store store;
    Counting random;
    ClusterMap map;
    Reachability reachability;
    SomeConfirmed confirmed;
    Steady now{};

    ReachabilityTest() {
        pb::Node node;
        node.set_id("n1");
        node.set_network_index(1);
        node.mutable_description()->set_shoal_version("1");
        change([&](Tx& tx) { tx.put(node); });
        confirmed.upto["net"] = 0;
    }
    template <class Act> void change(Act act) {
        Tx tx(store, Instant{1000s}, random);
        act(tx);
        for (const auto& one : tx.merged()) {
            map.observe(store, one);
            reachability.observe(one, now);
        }
    }
    void task(const std::string& id, pb::TaskState state, pb::TaskState desired = pb::RUNNING,
              std::vector<std::string> networks = {"net"}) {
        pb::Task made;
        made.set_id(id);
        made.set_node_id("n1");
        made.set_desired_state(desired);
        made.mutable_status()->set_state(state);
        for (const auto& network : networks) {
            auto& attachment = *made.add_networks();
            attachment.mutable_network()->set_id(network);
            attachment.mutable_network()->mutable_driver_state()->set_name("overlay");
            attachment.add_addresses("10.0.1.7/24");
        }
        change([&](Tx& tx) { tx.put(made); });
    }
    void confirm(const std::string& network = "net") { confirmed.upto[network] = map.sequence(); }
    using Ids = std::vector<std::string>;
    Reachability::Verdicts last;
    Ids ids(const std::vector<Reachability::Verdict>& verdicts) const {
        Ids all;
        for (const auto& verdict : verdicts) { all.push_back(verdict.task_id); }
        return all;
    }
    Ids reachable() {
        last = reachability.judge(store, map, confirmed, now);
        return ids(last.reachable);
    }
    Ids let_go() {
        last = reachability.judge(store, map, confirmed, now);
        return ids(last.let_go);
    }
};

TEST_F(ReachabilityTest, a_task_that_runs_is_reachable_when_all_nodes_know_the_way) {
    task("t", pb::STARTING);
    confirm();
    EXPECT_THAT(reachable(), IsEmpty());
    task("t", pb::RUNNING);
    EXPECT_THAT(reachable(), IsEmpty());
    EXPECT_EQ(last.next, now + 10s);
    confirm();
    EXPECT_THAT(reachable(), ElementsAre("t"));
    EXPECT_THAT(last.reachable[0].laggards, IsEmpty());
    EXPECT_THAT(reachable(), IsEmpty());
    EXPECT_FALSE(last.next);
}

TEST_F(ReachabilityTest, on_all_of_its_networks) {
    confirmed.upto["other"] = 0;
    task("t", pb::RUNNING, pb::RUNNING, {"net", "other"});
    confirm();
    EXPECT_THAT(reachable(), IsEmpty());
    confirm("other");
    EXPECT_THAT(reachable(), ElementsAre("t"));
}

TEST_F(ReachabilityTest, after_a_while_it_counts_all_the_same_and_the_laggards_are_named) {
    task("t", pb::RUNNING);
    now += 9s;
    EXPECT_THAT(reachable(), IsEmpty());
    now += 1s;
    EXPECT_THAT(reachable(), ElementsAre("t"));
    EXPECT_THAT(last.reachable[0].laggards, ElementsAre("slow-net"));
    EXPECT_EQ(late_message({"b"}), "running; node b has not confirmed its address");
    EXPECT_EQ(late_message({"a", "b", "c", "d", "e"}),
              "running; nodes a, b, c and 2 more have not confirmed its address");
}

TEST_F(ReachabilityTest, a_task_without_such_networks_waits_for_nobody) {
    task("t", pb::RUNNING, pb::RUNNING, {});
    EXPECT_FALSE(reachability.waits());
    task("t", pb::RUNNING, pb::SHUTDOWN, {});
    EXPECT_FALSE(reachability.holds("t"));
}

TEST_F(ReachabilityTest, one_that_is_to_stop_is_held_until_all_nodes_send_it_nothing_more) {
    task("t", pb::RUNNING);
    confirm();
    EXPECT_THAT(reachable(), ElementsAre("t"));
    task("t", pb::RUNNING, pb::SHUTDOWN);
    EXPECT_TRUE(reachability.holds("t"));
    EXPECT_THAT(let_go(), IsEmpty());
    confirm();
    EXPECT_THAT(let_go(), ElementsAre("t"));
    EXPECT_FALSE(reachability.holds("t"));
    task("t", pb::RUNNING, pb::REMOVE);
    EXPECT_FALSE(reachability.holds("t")) << "nothing is new for the nodes";
}

TEST_F(ReachabilityTest, it_is_not_held_for_ever) {
    task("t", pb::RUNNING);
    task("t", pb::RUNNING, pb::REMOVE);
    now += 10s;
    EXPECT_THAT(let_go(), ElementsAre("t"));
    EXPECT_THAT(last.let_go[0].laggards, ElementsAre("slow-net"));
}

TEST_F(ReachabilityTest, one_that_has_never_served_or_has_ended_is_not_held) {
    task("t", pb::STARTING);
    task("t", pb::STARTING, pb::SHUTDOWN);
    task("t", pb::RUNNING, pb::SHUTDOWN);
    EXPECT_FALSE(reachability.holds("t"));
    task("u", pb::RUNNING);
    task("u", pb::RUNNING, pb::SHUTDOWN);
    EXPECT_TRUE(reachability.holds("u"));
    task("u", pb::FAILED, pb::SHUTDOWN);
    EXPECT_FALSE(reachability.holds("u"));
}

TEST_F(ReachabilityTest, when_nobody_is_waited_for_nothing_waits) {
    confirmed.upto.clear();
    task("t", pb::RUNNING);
    EXPECT_THAT(reachable(), ElementsAre("t"));
    task("t", pb::RUNNING, pb::SHUTDOWN);
    EXPECT_THAT(let_go(), ElementsAre("t"));
}

TEST_F(ReachabilityTest, a_new_leader_does_not_know_what_nodes_were_told) {
    task("stops", pb::RUNNING);
    task("stops", pb::RUNNING, pb::SHUTDOWN);
    task("runs", pb::RUNNING);
    Reachability next;
    map.rebuild(store);
    now += 100s;
    next.rebuild(store, now);
    EXPECT_TRUE(next.holds("stops"));
    confirm();
    const auto verdicts = next.judge(store, map, confirmed, now);
    EXPECT_THAT(ids(verdicts.let_go), ElementsAre("stops"));
    EXPECT_THAT(ids(verdicts.reachable), ElementsAre("runs"));
}

TEST_F(ReachabilityTest, what_is_reachable_is_written_with_the_laggards_and_counts_from_then) {
    task("t", pb::RUNNING);
    task("gone", pb::FAILED);
    task("stops", pb::RUNNING, pb::SHUTDOWN);
    change([](Tx& tx) {
        mark_reachable(tx, {{"t", {"b"}}, {"gone", {}}, {"stops", {}}, {"x", {}}});
    });
    const auto held = store.get<pb::Task>("t");
    EXPECT_TRUE(held->reachable());
    EXPECT_TRUE(held->has_running_since());
    EXPECT_EQ(held->status().message(), "running; node b has not confirmed its address");
    EXPECT_FALSE(store.get<pb::Task>("gone")->reachable());
    EXPECT_FALSE(store.get<pb::Task>("stops")->reachable());
}

} // namespace
} // namespace shoal::swarm
