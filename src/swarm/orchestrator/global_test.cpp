#include "swarm/orchestrator/global.h"

#include "swarm/orchestrator/test_cluster.h"

namespace shoal::swarm {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct Global : OrchestratorTest {
    Global() {
        add<GlobalOrchestrator>();
        nodes(3);
    }
    void agent(const std::string& constraint = "") {
        service("agent", [&](pb::ServiceSpec& s) {
            s.mutable_global();
            if (!constraint.empty()) {
                s.mutable_task()->mutable_placement()->add_constraints(constraint);
            }
        });
        work();
    }
    std::vector<std::string> places() const {
        std::vector<std::string> ids;
        for (const auto& task : wanted("agent")) { ids.push_back(task->node_id()); }
        return ids;
    }
    using Ids = std::vector<std::string>;
};

TEST_F(Global, has_one_task_on_each_node) {
    agent();
    EXPECT_EQ(places(), (Ids{"n1", "n2", "n3"}));
    EXPECT_EQ(running("agent").size(), 3u);
    node("n4");
    EXPECT_EQ(places(), (Ids{"n1", "n2", "n3", "n4"}));
}

TEST_F(Global, keeps_to_its_constraints_as_they_and_the_nodes_change) {
    node("n2",
         [](auto& n) { (*n.mutable_spec()->mutable_annotations()->mutable_labels())["a"] = "b"; });
    agent("node.labels.a==b");
    EXPECT_EQ(places(), (Ids{"n2"}));
    node("n3",
         [](auto& n) { (*n.mutable_spec()->mutable_annotations()->mutable_labels())["a"] = "b"; });
    EXPECT_EQ(places(), (Ids{"n2", "n3"}));
    node("n2", [](auto& n) { n.mutable_spec()->mutable_annotations()->clear_labels(); });
    EXPECT_EQ(places(), (Ids{"n3"}));
    service("agent", [](auto& s) { s.mutable_task()->mutable_placement()->clear_constraints(); });
    work();
    EXPECT_EQ(places(), (Ids{"n1", "n2", "n3"}));
    EXPECT_EQ(running("agent").size(), 3u);
}

TEST_F(Global, stops_on_a_drained_node_and_comes_back_with_it) {
    agent();
    availability("n2", pb::NodeSpec::DRAIN);
    EXPECT_EQ(places(), (Ids{"n1", "n3"}));
    EXPECT_EQ(tasks("agent").size(), 3u);
    work();
    availability("n2", pb::NodeSpec::ACTIVE);
    work();
    EXPECT_EQ(running("agent").size(), 3u);
}

TEST_F(Global, comes_back_even_when_it_is_never_restarted) {
    service("agent", [](auto& s) {
        s.mutable_global();
        s.mutable_task()->mutable_restart()->set_condition(pb::RestartPolicy::NONE);
    });
    work();
    availability("n2", pb::NodeSpec::DRAIN);
    work();
    availability("n2", pb::NodeSpec::ACTIVE);
    work();
    EXPECT_EQ(running("agent").size(), 3u);
    state(running("agent")[0]->id(), pb::COMPLETE);
    pass(minutes(1));
    EXPECT_EQ(running("agent").size(), 2u);
}

TEST_F(Global, what_a_returning_node_still_runs_stops_before_its_new_task_starts) {
    agent();
    node_state("n2", pb::NodeStatus::DOWN);
    EXPECT_EQ(places(), (Ids{"n1", "n3"}));
    node_state("n2", pb::NodeStatus::READY);
    schedule();
    EXPECT_EQ(wanted("agent")[1]->desired_state(), pb::READY);
    work();
    EXPECT_EQ(running("agent").size(), 3u);
}

TEST_F(Global, a_paused_node_keeps_its_task_and_gets_none) {
    agent();
    availability("n2", pb::NodeSpec::PAUSE);
    EXPECT_EQ(places(), (Ids{"n1", "n2", "n3"}));
    node("n4", [](auto& n) { n.mutable_spec()->set_availability(pb::NodeSpec::PAUSE); });
    EXPECT_EQ(places(), (Ids{"n1", "n2", "n3"}));
}

TEST_F(Global, the_tasks_of_a_removed_node_are_erased) {
    agent();
    remove_node("n2");
    EXPECT_EQ(tasks("agent").size(), 2u);
}

TEST_F(Global, a_task_that_ended_is_replaced_on_its_node_after_the_delay) {
    agent();
    state(running("agent")[0]->id(), pb::FAILED);
    EXPECT_EQ(places(), (Ids{"n1", "n2", "n3"}));
    work();
    EXPECT_EQ(running("agent").size(), 2u);
    pass(seconds(5));
    work();
    EXPECT_EQ(running("agent").size(), 3u);
}

TEST_F(Global, is_updated_node_by_node_but_a_paused_one) {
    agent();
    availability("n2", pb::NodeSpec::PAUSE);
    service("agent", image("new"));
    for (int i = 0; i < 20; ++i) {
        EXPECT_GE(tasks("agent", [](auto& t) { return t.status().state() == pb::RUNNING; }).size(),
                  2u);
        schedule();
        agents();
        pass(seconds(1));
    }
    EXPECT_EQ(running_of("agent", "new"), 2u);
    EXPECT_EQ(update("agent").state(), pb::UpdateStatus::COMPLETED);
    availability("n2", pb::NodeSpec::ACTIVE);
    work();
    EXPECT_EQ(running_of("agent", "new"), 3u);
    EXPECT_EQ(update("agent").state(), pb::UpdateStatus::COMPLETED);
}

} // namespace
} // namespace shoal::swarm
