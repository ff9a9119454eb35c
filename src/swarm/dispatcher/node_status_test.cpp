#include "swarm/dispatcher/node_status.h"

#include "swarm/dispatcher/liveness.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;

struct Counting final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = next++; }
    }
    std::uint8_t next = 0;
};

struct NodeStatusTest : testing::Test {
    Store store;
    Counting random;
    Instant now{100'000s};

    template <class Act> void change(Act act) {
        Tx tx(store, now, random);
        act(tx);
        changes = tx.merged().size();
    }
    std::size_t changes = 0;

    void put_task(pb::TaskState state) {
        pb::Task task;
        task.set_id("t");
        task.set_node_id("n1");
        task.mutable_status()->set_state(state);
        change([&](Tx& tx) { tx.put(task); });
    }
    void put_node(pb::NodeStatus::State state) {
        pb::Node node;
        node.set_id("n1");
        change([&](Tx& tx) {
            tx.put(node);
            set_node_states(tx, {{"n1", {state, "x"}}});
        });
    }
    void report(pb::TaskState state, const std::string& from = "n1") {
        TaskReport one{"t", {}};
        one.status.set_state(state);
        one.status.set_applied_by("me, the node");
        change([&](Tx& tx) { apply_reports(tx, from, {one}, "m1"); });
    }
    TaskPtr task() { return store.get<pb::Task>("t"); }
};

TEST_F(NodeStatusTest, a_report_is_stamped_by_the_manager) {
    put_task(pb::ASSIGNED);
    report(pb::ACCEPTED);
    EXPECT_EQ(task()->status().state(), pb::ACCEPTED);
    EXPECT_EQ(task()->status().applied_by(), "m1");
    EXPECT_EQ(from_timestamp(task()->status().applied_at()), now);
    EXPECT_FALSE(task()->has_running_since());
}

TEST_F(NodeStatusTest, running_since_is_when_it_was_first_seen_running) {
    put_task(pb::ASSIGNED);
    report(pb::RUNNING);
    const auto first = now;
    now += 10s;
    TaskReport again{"t", {}};
    again.status.set_state(pb::RUNNING);
    again.status.set_message("restarted");
    change([&](Tx& tx) { apply_reports(tx, "n1", {again}, "m1"); });
    EXPECT_EQ(changes, 1u);
    EXPECT_EQ(from_timestamp(task()->running_since()), first);
}

TEST_F(NodeStatusTest, nothing_goes_back_and_nothing_is_written_twice) {
    put_task(pb::RUNNING);
    report(pb::READY);
    EXPECT_EQ(changes, 0u);
    report(pb::FAILED);
    EXPECT_EQ(changes, 1u);
    report(pb::FAILED);
    EXPECT_EQ(changes, 0u);
}

TEST_F(NodeStatusTest, a_task_of_another_node_or_none_is_left_alone) {
    put_task(pb::ASSIGNED);
    report(pb::RUNNING, "n2");
    EXPECT_EQ(changes, 0u);
}

TEST_F(NodeStatusTest, long_words_of_a_node_are_cut_between_characters) {
    put_task(pb::ASSIGNED);
    TaskReport one{"t", {}};
    one.status.set_state(pb::FAILED);
    std::string words;
    while (words.size() < 10'000) { words += "\xe2\x82\xac"; }
    one.status.set_err(words);
    change([&](Tx& tx) { apply_reports(tx, "n1", {one}, "m1"); });
    EXPECT_LE(task()->status().err().size(), 4096u);
    EXPECT_EQ(task()->status().err().size() % 3, 0u);
}

TEST_F(NodeStatusTest, tasks_are_orphaned_when_their_node_was_down_for_a_day) {
    put_node(pb::NodeStatus::DOWN);
    put_task(pb::RUNNING);
    now += 23h;
    EXPECT_TRUE(plan_orphans(store, now, 24h, 10).empty());
    now += 2h;
    const auto orphans = plan_orphans(store, now, 24h, 10);
    ASSERT_EQ(orphans.size(), 1u);
    change([&](Tx& tx) { orphan_tasks(tx, orphans, "m1"); });
    EXPECT_EQ(task()->status().state(), pb::ORPHANED);
    EXPECT_TRUE(plan_orphans(store, now, 24h, 10).empty());
    report(pb::RUNNING); // it came back after all
    EXPECT_EQ(task()->status().state(), pb::ORPHANED);
}

TEST_F(NodeStatusTest, a_change_of_the_same_state_does_not_count_as_a_new_one) {
    put_node(pb::NodeStatus::DOWN);
    now += 23h;
    change([](Tx& tx) { set_node_states(tx, {{"n1", {pb::NodeStatus::DOWN, "other words"}}}); });
    now += 2h;
    put_task(pb::RUNNING);
    EXPECT_EQ(plan_orphans(store, now, 24h, 10).size(), 1u);
}

TEST(Liveness, tells_who_was_not_heard_of_in_time) {
    Liveness liveness;
    const Steady zero{};
    liveness.expect("a", zero + 5s);
    liveness.expect("b", zero + 3s);
    liveness.expect("a", zero + 2s);
    EXPECT_EQ(liveness.next(), zero + 2s);
    EXPECT_TRUE(liveness.take_overdue(zero + 1s).empty());
    liveness.forgive(10s);
    EXPECT_TRUE(liveness.take_overdue(zero + 11s).empty());
    EXPECT_EQ(liveness.take_overdue(zero + 12s), std::vector<std::string>{"a"});
    liveness.forget("b");
    EXPECT_FALSE(liveness.next());
}

TEST(Pulse, our_agents_are_missed_within_three_seconds_and_stock_ones_after_three_beats) {
    const auto own = pulse_of(AgentKind::Shoal, 5s);
    EXPECT_EQ(own.period, 1s);
    EXPECT_LE(own.silence, 3s);
    EXPECT_GT(own.silence, 2 * own.period);
    EXPECT_LE(own.lost, 2s);
    const auto stock = pulse_of(AgentKind::Stock, 5s);
    EXPECT_EQ(stock.period, 5s);
    EXPECT_EQ(stock.silence, 15s);
    EXPECT_EQ(stock.after_change, 30s);
}

TEST(Patience, grows_with_every_node_that_was_given_up_too_soon_and_shrinks_again) {
    Patience patience;
    const auto pulse = pulse_of(AgentKind::Shoal, 5s);
    Steady now{};
    const auto silence = [&] { return patience.stretched(pulse, "n", now).silence; };
    const auto alarm = [&](std::chrono::nanoseconds away, const char* run = "1") {
        patience.given_up("n", now);
        now += away;
        patience.is_here("n", run, pulse.silence_max, now);
    };
    patience.is_here("n", "1", pulse.silence_max, now);
    EXPECT_EQ(silence(), pulse.silence);
    alarm(1min); // it was gone
    EXPECT_EQ(silence(), pulse.silence);
    alarm(3s, "2"); // it had been started anew
    EXPECT_EQ(silence(), pulse.silence);
    alarm(3s, "2");
    EXPECT_EQ(silence(), 2 * pulse.silence);
    EXPECT_EQ(patience.stretched(pulse, "other", now).silence, pulse.silence);
    for (int i = 0; i < 9; ++i) { alarm(3s, "2"); }
    EXPECT_EQ(silence(), 15s); // as for a stock engine, and never more
    now += 1h;
    EXPECT_EQ(silence(), pulse.silence);
}

} // namespace
} // namespace shoal::swarm
