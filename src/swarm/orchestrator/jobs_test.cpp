#include "swarm/orchestrator/jobs.h"

#include "swarm/orchestrator/reaper.h"
#include "swarm/orchestrator/test_cluster.h"

namespace shoal::swarm {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct Jobs : OrchestratorTest {
    Jobs() {
        add<JobOrchestrator>();
        add<TaskReaper>();
        nodes(3);
    }
    void job(std::uint64_t at_once, std::uint64_t total, std::uint64_t attempts = 0) {
        service("job", [&](pb::ServiceSpec& s) {
            s.mutable_replicated_job()->set_max_concurrent(at_once);
            s.mutable_replicated_job()->set_total_completions(total);
            s.mutable_task()->mutable_restart()->set_condition(pb::RestartPolicy::ANY);
            s.mutable_task()->mutable_restart()->set_max_attempts(attempts);
        });
    }
    void global_job(std::uint64_t attempts = 0) {
        service("job", [&](pb::ServiceSpec& s) {
            s.mutable_global_job();
            s.mutable_task()->mutable_restart()->set_condition(pb::RestartPolicy::ON_FAILURE);
            s.mutable_task()->mutable_restart()->set_max_attempts(attempts);
        });
    }
    std::vector<TaskPtr> active() const {
        return tasks("job", [](const auto& t) { return is_wanted(t) && !is_over(t); });
    }
    std::vector<TaskPtr> complete() const {
        return tasks("job", [](const auto& t) {
            return t.desired_state() == pb::COMPLETE && t.status().state() == pb::COMPLETE;
        });
    }
};

TEST_F(Jobs, run_so_many_at_once_until_all_are_complete) {
    job(2, 5);
    std::size_t rounds = 0;
    while (!active().empty() && rounds < 10) {
        EXPECT_LE(active().size(), 2u);
        work();
        for (const auto& task : running("job")) { state(task->id(), pb::COMPLETE); }
        ++rounds;
    }
    EXPECT_EQ(rounds, 3u);
    ASSERT_EQ(complete().size(), 5u);
    EXPECT_EQ(complete()[0]->slot(), 0u);
    EXPECT_EQ(complete()[4]->slot(), 4u);
    pass(minutes(10));
    EXPECT_EQ(tasks("job").size(), 5u);
}

TEST_F(Jobs, start_a_task_again_that_failed) {
    job(1, 1);
    work();
    state(active()[0]->id(), pb::FAILED);
    ASSERT_EQ(active().size(), 1u);
    EXPECT_EQ(active()[0]->desired_state(), pb::READY);
    pass(seconds(5));
    EXPECT_EQ(active()[0]->desired_state(), pb::COMPLETE);
    work();
    state(active()[0]->id(), pb::COMPLETE);
    EXPECT_EQ(complete().size(), 1u);
    EXPECT_TRUE(active().empty());
}

TEST_F(Jobs, give_up_after_so_many_attempts) {
    job(1, 2, 1);
    for (int i = 0; i < 2; ++i) {
        work();
        state(active()[0]->id(), pb::FAILED);
        pass(seconds(5));
    }
    ASSERT_EQ(active().size(), 1u);
    EXPECT_EQ(active()[0]->slot(), 1u) << "the next completion has its own attempts";
    pass(minutes(1));
    EXPECT_EQ(tasks("job", [](const auto& t) { return t.slot() == 0; }).size(), 2u);
}

TEST_F(Jobs, begin_from_nothing_with_every_change) {
    job(5, 5);
    work();
    state(active()[0]->id(), pb::COMPLETE);
    job(2, 3);
    EXPECT_EQ(active().size(), 2u);
    for (const auto& task : active()) { EXPECT_EQ(task->job_iteration().index(), 2u); }
    work();
    EXPECT_EQ(tasks("job").size(), 2u) << "the earlier ones have been removed";
}

TEST_F(Jobs, move_what_ran_on_a_lost_node) {
    job(3, 3);
    work();
    node_state("n1", pb::NodeStatus::DOWN);
    work();
    EXPECT_EQ(running("job").size(), 3u);
    for (const auto& task : running("job")) { EXPECT_NE(task->node_id(), "n1"); }
}

TEST_F(Jobs, of_nodes_run_once_on_each_that_is_ready) {
    node_state("n3", pb::NodeStatus::UNKNOWN);
    global_job();
    EXPECT_EQ(active().size(), 2u);
    node_state("n3", pb::NodeStatus::READY);
    EXPECT_EQ(active().size(), 3u);
    work();
    for (const auto& task : running("job")) { state(task->id(), pb::COMPLETE); }
    node_state("n1", pb::NodeStatus::DOWN);
    node_state("n1", pb::NodeStatus::READY);
    EXPECT_EQ(complete().size(), 3u);
    EXPECT_TRUE(active().empty());
    node("n4");
    EXPECT_EQ(active().size(), 1u);
}

TEST_F(Jobs, of_nodes_stop_on_those_that_no_longer_qualify_and_run_again_when_they_do) {
    global_job();
    work();
    availability("n1", pb::NodeSpec::DRAIN);
    EXPECT_EQ(active().size(), 2u);
    work();
    availability("n1", pb::NodeSpec::ACTIVE);
    EXPECT_EQ(active().size(), 3u);
    availability("n2", pb::NodeSpec::PAUSE);
    EXPECT_EQ(active().size(), 3u) << "a paused node keeps what it has";
    node_state("n2", pb::NodeStatus::UNKNOWN);
    EXPECT_EQ(active().size(), 3u) << "and so does one that a new leader has not heard of yet";
    remove_node("n3");
    EXPECT_EQ(active().size(), 2u);
}

TEST_F(Jobs, of_nodes_give_up_after_so_many_attempts) {
    global_job(1);
    for (int i = 0; i < 4; ++i) {
        work();
        for (const auto& task : running("job")) {
            if (task->node_id() == "n1") { state(task->id(), pb::FAILED); }
        }
        pass(seconds(5));
    }
    EXPECT_EQ(active().size(), 2u);
    EXPECT_EQ(tasks("job", [](const auto& t) { return t.node_id() == "n1"; }).size(), 2u);
}

TEST_F(Jobs, are_not_run_again_though_no_history_is_kept) {
    with([&](Tx& tx) {
        pb::Cluster cluster;
        cluster.set_id("c");
        cluster.mutable_spec()->mutable_orchestration()->set_task_history_retention_limit(0);
        tx.put(cluster);
    });
    job(2, 2);
    work();
    for (const auto& task : running("job")) { state(task->id(), pb::COMPLETE); }
    pass(minutes(1));
    EXPECT_EQ(complete().size(), 2u);
    EXPECT_EQ(tasks("job").size(), 2u);
}

} // namespace
} // namespace shoal::swarm
