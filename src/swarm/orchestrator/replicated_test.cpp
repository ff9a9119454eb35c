#include "swarm/orchestrator/replicated.h"

#include "swarm/orchestrator/test_cluster.h"

namespace shoal::swarm {
namespace {

using std::chrono::seconds;

struct Replicated : OrchestratorTest {
    Replicated() { orchestrator = &add<ReplicatedOrchestrator>(); }
    std::vector<std::uint64_t> slots(const std::string& id) const {
        std::vector<std::uint64_t> numbers;
        for (const auto& task : wanted(id)) { numbers.push_back(task->slot()); }
        return numbers;
    }
    ReplicatedOrchestrator* orchestrator = nullptr;
};

TEST_F(Replicated, fills_slots_from_one_on) {
    service("web", replicas(3));
    EXPECT_EQ(slots("web"), (std::vector<std::uint64_t>{1, 2, 3}));
    service("web", replicas(5));
    EXPECT_EQ(slots("web"), (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
    EXPECT_EQ(tasks("web").size(), 5u);
}

TEST_F(Replicated, gives_up_first_what_does_not_run) {
    nodes(1);
    service("web", replicas(3));
    schedule();
    state(wanted("web")[1]->id(), pb::RUNNING);
    service("web", replicas(1));
    EXPECT_EQ(slots("web"), (std::vector<std::uint64_t>{2}));
    for (const auto& task : tasks("web")) {
        if (task->slot() != 2) { EXPECT_EQ(task->desired_state(), pb::REMOVE); }
    }
}

TEST_F(Replicated, gives_up_first_where_there_are_most) {
    nodes(2);
    service("web", replicas(4));
    with([&](Tx& tx) { // three on n1, one on n2
        for (const auto& task : wanted("web")) {
            auto placed = *task;
            placed.set_node_id(task->slot() == 4 ? "n2" : "n1");
            tx.put(placed);
            put_state(tx, task->id(), pb::RUNNING);
        }
    });
    service("web", replicas(2));
    EXPECT_EQ(slots("web"), (std::vector<std::uint64_t>{1, 4}));
}

TEST_F(Replicated, takes_the_lowest_free_number_again) {
    nodes(2);
    service("web", replicas(4));
    work();
    service("web", replicas(2));
    work();
    service("web", replicas(3));
    EXPECT_EQ(wanted("web").size(), 3u);
    const auto numbers = slots("web");
    EXPECT_EQ(numbers, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST_F(Replicated, replaces_the_tasks_of_a_node_that_is_down_at_once) {
    nodes(2);
    service("web", replicas(2));
    work();
    const auto lost = tasks("web", [](const auto& t) { return t.node_id() == "n1"; });
    ASSERT_EQ(lost.size(), 1u);
    node_state("n1", pb::NodeStatus::DOWN);
    EXPECT_EQ(task(lost[0]->id())->desired_state(), pb::SHUTDOWN);
    ASSERT_EQ(wanted("web").size(), 2u);
    work();
    EXPECT_EQ(running("web").size(), 2u);
    for (const auto& task : running("web")) { EXPECT_EQ(task->node_id(), "n2"); }
}

TEST_F(Replicated, moves_the_tasks_of_a_drained_node_once_they_have_stopped) {
    nodes(2);
    service("web", replicas(2));
    work();
    availability("n1", pb::NodeSpec::DRAIN);
    schedule();
    const auto moved = wanted("web");
    ASSERT_EQ(moved.size(), 2u);
    const auto waiting = tasks("web", [](const auto& t) { return t.desired_state() == pb::READY; });
    ASSERT_EQ(waiting.size(), 1u);
    agents([](const auto& t) { return t.node_id() == "n1"; });
    EXPECT_EQ(task(waiting[0]->id())->desired_state(), pb::RUNNING);
}

TEST_F(Replicated, leaves_the_tasks_of_a_silent_node_alone) {
    nodes(2);
    service("web", replicas(2));
    work();
    const auto before = steps;
    node_state("n1", pb::NodeStatus::UNKNOWN);
    node_state("n1", pb::NodeStatus::DISCONNECTED);
    EXPECT_EQ(steps, before + 2);
}

TEST_F(Replicated, replaces_the_tasks_of_a_node_that_was_removed) {
    nodes(2);
    service("web", replicas(2));
    work();
    remove_node("n1");
    work();
    EXPECT_EQ(running("web").size(), 2u);
}

TEST_F(Replicated, a_node_that_comes_back_is_told_to_stop_what_was_replaced) {
    nodes(2);
    service("web", replicas(2));
    work();
    node_state("n1", pb::NodeStatus::DOWN);
    work();
    node_state("n1", pb::NodeStatus::READY);
    work();
    EXPECT_EQ(running("web").size(), 2u);
    EXPECT_EQ(tasks("web", [](const auto& t) { return t.status().state() == pb::RUNNING; }).size(),
              2u);
}

TEST_F(Replicated, a_task_that_somebody_erased_is_made_again) {
    service("web", replicas(2));
    const auto gone = wanted("web")[0]->id();
    with([&](Tx& tx) { tx.erase<pb::Task>(gone); });
    EXPECT_EQ(slots("web"), (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(Replicated, a_new_leader_changes_nothing) {
    nodes(2);
    service("web", replicas(3));
    work();
    state(running("web")[0]->id(), pb::FAILED);
    const auto before = steps;
    for (const auto& reconciler : reconcilers) { reconciler->rebuild(store); }
    settle();
    EXPECT_EQ(steps, before);
    pass(seconds(5));
    work();
    EXPECT_EQ(running("web").size(), 3u);
}

TEST_F(Replicated, does_no_more_in_a_transaction_than_the_log_takes) {
    nodes(2);
    service("web", replicas(7'000));
    EXPECT_EQ(wanted("web").size(), 7'000u);
    service("web", replicas(3'500));
    EXPECT_EQ(wanted("web").size(), 3'500u);
    service("web", [](auto& s) {
        s.mutable_update()->set_parallelism(0);
        s.mutable_task()->set_force_update(1);
    });
    EXPECT_EQ(wanted("web").size(), 3'500u);
    for (const auto& task : wanted("web")) { EXPECT_EQ(task->spec().force_update(), 1u); }
    EXPECT_LT(most_changes, changes_max + 10);
}

TEST_F(Replicated, a_removed_nodes_orphans_are_no_attempts) {
    nodes(2);
    service("web", [](auto& s) {
        s.mutable_replicated()->set_replicas(2);
        s.mutable_task()->mutable_restart()->set_condition(pb::RestartPolicy::ANY);
        s.mutable_task()->mutable_restart()->set_max_attempts(1);
    });
    work();
    with([&](Tx& tx) {
        for (const auto& task : running("web")) {
            if (task->node_id() == "n1") { put_state(tx, task->id(), pb::ORPHANED); }
        }
        tx.erase<pb::Node>("n1");
    });
    work();
    ASSERT_EQ(running("web").size(), 2u);
    for (const auto& task : running("web")) { EXPECT_EQ(task->restarts(), 0u); }
}

TEST_F(Replicated, one_task_among_very_many_costs_a_look_at_its_slot) {
    nodes(10);
    with([&](Tx& tx) {
        for (int i = 0; i < 1000; ++i) { put_service(tx, "s" + std::to_string(i), replicas(100)); }
    });
    ASSERT_EQ(store.all<pb::Task>().size(), 100'000u);
    with([&](Tx& tx) {
        for (const auto& held : tasks("s500")) {
            auto placed = *held;
            placed.set_node_id("n1");
            tx.put(placed);
            put_state(tx, held->id(), pb::RUNNING);
        }
    });
    const auto before = orchestrator->looked_at();
    state(running("s500")[0]->id(), pb::FAILED);
    pass(seconds(5));
    EXPECT_EQ(wanted("s500").size(), 100u);
    EXPECT_LE(orchestrator->looked_at() - before, 20u);
}

} // namespace
} // namespace shoal::swarm
