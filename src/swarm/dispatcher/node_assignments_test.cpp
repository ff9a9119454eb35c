#include "swarm/dispatcher/node_assignments.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using pb::AssignmentChange;
using pb::AssignmentsMessage;
using Reader = NodeAssignments::Reader;

struct Counting final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = next++; }
    }
    std::uint8_t next = 0;
};

struct NodeAssignmentsTest : testing::Test {
    Store store;
    Counting random;
    std::optional<NodeAssignments> view;
    // What a node makes of the messages.
    std::map<std::string, pb::Task> tasks;
    std::set<std::string> secrets;
    std::string received;

    NodeAssignmentsTest() { view.emplace("n1", Reader::Shoal); }

    template <class Act> void change(Act act) {
        Tx tx(store, Instant{std::chrono::seconds(1000)}, random);
        act(tx);
        for (const auto& one : tx.merged()) { view->observe(one); }
    }
    void put_task(const std::string& id, pb::TaskState state = pb::ASSIGNED,
                  std::vector<std::string> needs = {}, pb::TaskState desired = pb::RUNNING,
                  const std::string& node = "n1") {
        pb::Task task;
        task.set_id(id);
        task.set_node_id(node);
        task.set_desired_state(desired);
        task.mutable_status()->set_state(state);
        for (const auto& secret : needs) {
            task.mutable_spec()->mutable_container()->add_secrets()->set_secret_id(secret);
        }
        change([&](Tx& tx) { tx.put(task); });
    }
    void put_secret(const std::string& id, std::size_t bytes = 1) {
        pb::Secret secret;
        secret.set_id(id);
        secret.mutable_spec()->set_data(std::string(bytes, 'x'));
        change([&](Tx& tx) { tx.put(secret); });
    }
    /// Takes all messages as a node does; gives how many there were.
    int deliver() {
        int count = 0;
        while (const auto message = view->next(store)) {
            take(*message);
            ++count;
        }
        return count;
    }
    void take(const AssignmentsMessage& message) {
        EXPECT_EQ(message.applies_to(), received);
        received = message.results_in();
        if (message.type() == AssignmentsMessage::COMPLETE) { tasks.clear(); }
        std::set<std::string> gone;
        for (const auto& one : message.changes()) {
            const auto& item = one.assignment();
            const bool update = one.action() == AssignmentChange::UPDATE;
            if (item.has_secret()) {
                if (update) { secrets.insert(item.secret().id()); }
                if (!update) { gone.insert(item.secret().id()); }
                continue;
            }
            if (!update) {
                tasks.erase(item.task().id());
                continue;
            }
            tasks[item.task().id()] = item.task();
            for (const auto& needed : item.task().spec().container().secrets()) {
                if (is_terminal(item.task().status().state())) { continue; }
                if (!store.get<pb::Secret>(needed.secret_id())) { continue; }
                EXPECT_TRUE(secrets.contains(needed.secret_id())) << "before its task";
            }
        }
        for (const auto& id : gone) { secrets.erase(id); }
    }
};

TEST_F(NodeAssignmentsTest, what_is_held_back_is_told_as_still_wanted_until_it_is_let_go) {
    std::set<std::string> held;
    const auto hold = [&held](const std::string& id) { return held.contains(id); };
    view->hold_back(hold);
    put_task("t", pb::RUNNING);
    deliver();
    held = {"t"};
    put_task("t", pb::RUNNING, {}, pb::SHUTDOWN);
    EXPECT_EQ(deliver(), 0);
    EXPECT_EQ(tasks.at("t").desired_state(), pb::RUNNING);
    view.emplace("n1", Reader::Shoal); // the node is back
    view->hold_back(hold);
    received.clear();
    EXPECT_EQ(deliver(), 1);
    EXPECT_EQ(tasks.at("t").desired_state(), pb::RUNNING);
    held.clear();
    EXPECT_EQ(deliver(), 0);
    view->let_go("t");
    EXPECT_EQ(deliver(), 1);
    EXPECT_EQ(tasks.at("t").desired_state(), pb::SHUTDOWN);
}

TEST_F(NodeAssignmentsTest, that_it_is_reachable_is_nothing_to_its_own_node) {
    put_task("t", pb::RUNNING);
    deliver();
    change([this](Tx& tx) {
        pb::Task task = *store.get<pb::Task>("t");
        task.set_reachable(true);
        tx.put(std::move(task));
    });
    EXPECT_EQ(deliver(), 0);
}

TEST_F(NodeAssignmentsTest, the_first_message_is_complete_even_when_empty) {
    const auto message = view->next(store);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->type(), AssignmentsMessage::COMPLETE);
    EXPECT_EQ(message->applies_to(), "");
    EXPECT_EQ(message->results_in(), "1");
    EXPECT_FALSE(view->next(store));
}

TEST_F(NodeAssignmentsTest, a_node_sees_its_own_assigned_tasks_and_their_secrets_only) {
    put_secret("s1");
    put_secret("s2");
    put_task("mine", pb::ASSIGNED, {"s1"});
    put_task("pending", pb::PENDING, {"s2"});
    put_task("other", pb::RUNNING, {"s2"}, pb::RUNNING, "n2");
    deliver();
    EXPECT_EQ(tasks.size(), 1u);
    EXPECT_TRUE(tasks.contains("mine"));
    EXPECT_EQ(secrets, std::set<std::string>{"s1"});
    put_task("pending", pb::ASSIGNED, {"s2"});
    put_task("third", pb::ASSIGNED, {}, pb::RUNNING, "n2");
    EXPECT_EQ(deliver(), 1);
    EXPECT_EQ(tasks.size(), 2u);
}

TEST_F(NodeAssignmentsTest, what_the_node_itself_reports_does_not_come_back) {
    put_task("t", pb::ASSIGNED);
    deliver();
    put_task("t", pb::RUNNING);
    EXPECT_FALSE(view->pending());
    put_task("t", pb::RUNNING, {}, pb::SHUTDOWN);
    EXPECT_EQ(deliver(), 1);
    EXPECT_EQ(tasks["t"].desired_state(), pb::SHUTDOWN);
}

TEST_F(NodeAssignmentsTest, a_removed_task_is_withdrawn_and_one_never_told_of_is_not) {
    put_task("t");
    deliver();
    put_task("brief");
    change([](Tx& tx) { tx.erase<pb::Task>("brief"); });
    EXPECT_EQ(deliver(), 0);
    change([](Tx& tx) { tx.erase<pb::Task>("t"); });
    EXPECT_EQ(deliver(), 1);
    EXPECT_TRUE(tasks.empty());
}

TEST_F(NodeAssignmentsTest, a_secret_leaves_with_the_last_task_that_needs_it) {
    put_secret("s1");
    put_task("a", pb::ASSIGNED, {"s1", "s1"});
    put_task("b", pb::ASSIGNED, {"s1"});
    deliver();
    put_task("a", pb::COMPLETE, {"s1", "s1"});
    deliver();
    EXPECT_EQ(secrets.size(), 1u);
    put_task("b", pb::FAILED, {"s1"});
    deliver();
    EXPECT_TRUE(secrets.empty());
    put_task("c", pb::ASSIGNED, {"s1"});
    deliver();
    EXPECT_EQ(secrets.size(), 1u);
    change([](Tx& tx) { tx.erase<pb::Task>("c"); });
    deliver();
    EXPECT_TRUE(secrets.empty());
    EXPECT_EQ(view->dependencies_sent(), 0u);
}

TEST_F(NodeAssignmentsTest, a_changed_secret_goes_to_nodes_that_have_it) {
    put_secret("s1");
    put_secret("s2");
    put_task("a", pb::ASSIGNED, {"s1"});
    deliver();
    put_secret("s1", 2);
    put_secret("s2", 2);
    EXPECT_EQ(deliver(), 1);
}

TEST_F(NodeAssignmentsTest, a_missing_secret_holds_up_nothing) {
    put_task("a", pb::ASSIGNED, {"nowhere"});
    deliver();
    EXPECT_TRUE(tasks.contains("a"));
    put_task("a", pb::COMPLETE, {"nowhere"});
    EXPECT_EQ(deliver(), 0);
}

TEST_F(NodeAssignmentsTest, increments_are_bounded_and_have_no_gap) {
    deliver();
    for (int i = 0; i < 250; ++i) { put_task("t" + std::to_string(i)); }
    EXPECT_EQ(deliver(), 3);
    EXPECT_EQ(tasks.size(), 250u);
}

TEST_F(NodeAssignmentsTest, a_slow_node_gets_a_complete_set_instead_of_a_long_queue) {
    NodeAssignments::Limits limits;
    limits.waiting_max = 50;
    view.emplace("n1", Reader::Shoal, limits);
    put_secret("s1");
    put_task("old", pb::ASSIGNED, {"s1"});
    deliver();
    for (int i = 0; i < 100; ++i) { put_task("t" + std::to_string(i)); }
    EXPECT_LE(view->waiting(), 50u);
    secrets.clear(); // a complete set has everything in it
    EXPECT_EQ(deliver(), 1);
    EXPECT_EQ(tasks.size(), 101u);
    EXPECT_EQ(secrets.size(), 1u);
}

TEST_F(NodeAssignmentsTest, dependencies_too_large_for_one_message_go_ahead_of_the_set) {
    NodeAssignments::Limits limits;
    limits.message_bytes = 1000;
    for (const auto reader : {Reader::Shoal, Reader::Stock}) {
        view.emplace("n1", reader, limits);
        received.clear();
        secrets.clear();
        for (int i = 0; i < 10; ++i) {
            put_secret("s" + std::to_string(i), 400);
            put_task("t" + std::to_string(i), pb::ASSIGNED, {"s" + std::to_string(i)});
        }
        const auto first = view->next(store);
        ASSERT_TRUE(first);
        take(*first);
        EXPECT_EQ(first->type() == AssignmentsMessage::COMPLETE, reader == Reader::Stock);
        EXPECT_EQ(first->ByteSizeLong() < 2000, reader == Reader::Shoal);
        if (reader == Reader::Shoal) { // what went ahead and is not needed any more
            change([](Tx& tx) { tx.erase<pb::Task>("t0"); });
        }
        deliver();
        EXPECT_EQ(tasks.size(), reader == Reader::Shoal ? 9u : 10u);
        EXPECT_EQ(secrets.size(), tasks.size());
    }
}

} // namespace
} // namespace shoal::swarm
