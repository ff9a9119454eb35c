#include "swarm/orchestrator/restart.h"

#include "swarm/orchestrator/replicated.h"
#include "swarm/orchestrator/test_cluster.h"

namespace shoal::swarm {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct Restart : OrchestratorTest {
    Restart() {
        add<ReplicatedOrchestrator>();
        nodes(2);
    }
    void web(const std::function<void(pb::RestartPolicy&)>& change = {}) {
        service("web", [&](pb::ServiceSpec& s) {
            s.mutable_replicated()->set_replicas(1);
            if (change) { change(*s.mutable_task()->mutable_restart()); }
        });
        work();
    }
    void end(pb::TaskState how) { state(wanted("web").at(0)->id(), how); }
    const pb::Task& newest() {
        held = tasks("web");
        return *held.back();
    }
    std::vector<TaskPtr> held;
};

TEST_F(Restart, a_task_that_failed_is_replaced_after_the_delay) {
    web();
    end(pb::FAILED);
    ASSERT_EQ(tasks("web").size(), 2u);
    EXPECT_EQ(tasks("web")[0]->desired_state(), pb::SHUTDOWN);
    EXPECT_EQ(newest().desired_state(), pb::READY);
    work();
    EXPECT_EQ(newest().status().state(), pb::READY) << "it is prepared while it waits";
    pass(seconds(4));
    EXPECT_EQ(newest().desired_state(), pb::READY);
    EXPECT_EQ(next, now + seconds(1));
    pass(seconds(1));
    EXPECT_EQ(newest().desired_state(), pb::RUNNING);
}

TEST_F(Restart, the_delay_is_the_services) {
    web([](auto& p) {
        p.set_condition(pb::RestartPolicy::ANY);
        *p.mutable_delay() = to_duration(minutes(2));
    });
    end(pb::COMPLETE);
    pass(seconds(119));
    EXPECT_EQ(newest().desired_state(), pb::READY);
    pass(seconds(1));
    EXPECT_EQ(newest().desired_state(), pb::RUNNING);
}

TEST_F(Restart, none_means_never) {
    web([](auto& p) { p.set_condition(pb::RestartPolicy::NONE); });
    end(pb::FAILED);
    pass(minutes(1));
    EXPECT_EQ(tasks("web").size(), 1u);
    EXPECT_EQ(tasks("web")[0]->desired_state(), pb::SHUTDOWN);
}

TEST_F(Restart, on_failure_leaves_a_task_alone_that_completed) {
    web([](auto& p) { p.set_condition(pb::RestartPolicy::ON_FAILURE); });
    end(pb::FAILED);
    pass(seconds(5));
    work();
    ASSERT_EQ(tasks("web").size(), 2u);
    end(pb::COMPLETE);
    pass(seconds(5));
    EXPECT_EQ(tasks("web").size(), 2u);
    service("web", [](auto& s) { (*s.mutable_annotations()->mutable_labels())["a"] = "b"; });
    EXPECT_EQ(tasks("web").size(), 2u) << "its slot still counts";
}

TEST_F(Restart, a_task_on_a_lost_node_is_replaced_whatever_the_condition) {
    web([](auto& p) { p.set_condition(pb::RestartPolicy::NONE); });
    node_state(running("web")[0]->node_id(), pb::NodeStatus::DOWN);
    work();
    EXPECT_EQ(running("web").size(), 1u) << "without delay, and without waiting for a node's word";
}

TEST_F(Restart, attempts_are_counted) {
    web([](auto& p) {
        p.set_condition(pb::RestartPolicy::ANY);
        p.set_max_attempts(2);
    });
    for (int i = 0; i < 2; ++i) {
        end(pb::FAILED);
        pass(seconds(5));
        work();
        ASSERT_EQ(running("web").size(), 1u);
    }
    end(pb::FAILED);
    pass(minutes(1));
    EXPECT_TRUE(wanted("web").empty());
    EXPECT_EQ(tasks("web").size(), 3u);
}

TEST_F(Restart, attempts_are_counted_anew_when_the_service_has_changed) {
    web([](auto& p) {
        p.set_condition(pb::RestartPolicy::ANY);
        p.set_max_attempts(1);
    });
    end(pb::FAILED);
    pass(seconds(5));
    work();
    end(pb::FAILED);
    ASSERT_TRUE(wanted("web").empty());
    service("web", image("new"));
    work();
    ASSERT_EQ(running("web").size(), 1u);
    end(pb::FAILED);
    EXPECT_EQ(wanted("web").size(), 1u);
}

TEST_F(Restart, attempts_are_forgotten_when_they_lie_before_the_window) {
    web([](auto& p) {
        p.set_condition(pb::RestartPolicy::ANY);
        p.set_max_attempts(1);
        *p.mutable_window() = to_duration(minutes(1));
    });
    for (int i = 0; i < 3; ++i) {
        pass(minutes(2));
        end(pb::FAILED);
        pass(seconds(5));
        work();
        ASSERT_EQ(running("web").size(), 1u) << i;
    }
    pass(seconds(10));
    end(pb::FAILED);
    EXPECT_TRUE(wanted("web").empty());
}

TEST_F(Restart, moving_from_a_lost_node_is_no_attempt) {
    web([](auto& p) {
        p.set_condition(pb::RestartPolicy::ANY);
        p.set_max_attempts(1);
    });
    const auto first = running("web")[0]->node_id();
    node_state(first, pb::NodeStatus::DOWN);
    work();
    node_state(first, pb::NodeStatus::READY);
    ASSERT_EQ(running("web").size(), 1u);
    end(pb::FAILED);
    EXPECT_EQ(wanted("web").size(), 1u);
}

TEST_F(Restart, a_task_that_cannot_be_prepared_does_not_spin) {
    web();
    end(pb::FAILED);
    schedule();
    end(pb::REJECTED);
    EXPECT_EQ(tasks("web").size(), 2u);
    pass(seconds(5));
    EXPECT_EQ(tasks("web").size(), 3u);
    schedule();
    end(pb::REJECTED);
    EXPECT_EQ(tasks("web").size(), 3u);
    pass(seconds(5));
    EXPECT_EQ(tasks("web").size(), 4u);
}

TEST_F(Restart, the_old_task_is_waited_for_but_not_for_ever) {
    web();
    availability(running("web")[0]->node_id(), pb::NodeSpec::DRAIN);
    schedule();
    ASSERT_EQ(newest().desired_state(), pb::READY);
    pass(seconds(59));
    EXPECT_EQ(newest().desired_state(), pb::READY);
    pass(seconds(1));
    EXPECT_EQ(newest().desired_state(), pb::RUNNING);
}

TEST_F(Restart, an_old_task_on_a_node_that_goes_down_is_not_waited_for) {
    web();
    const auto node = running("web")[0]->node_id();
    availability(node, pb::NodeSpec::DRAIN);
    ASSERT_EQ(newest().desired_state(), pb::READY);
    node_state(node, pb::NodeStatus::DOWN);
    EXPECT_EQ(newest().desired_state(), pb::RUNNING);
}

TEST_F(Restart, a_clock_that_was_set_back_delays_by_no_more_than_the_delay) {
    web();
    end(pb::FAILED);
    now -= minutes(60);
    settle();
    pass(seconds(5));
    EXPECT_EQ(newest().desired_state(), pb::RUNNING);
}

TEST_F(Restart, a_new_leader_goes_on_with_a_delay) {
    web();
    end(pb::FAILED);
    pass(seconds(3));
    for (const auto& reconciler : reconcilers) { reconciler->rebuild(store); }
    settle();
    EXPECT_EQ(next, now + seconds(2));
}

} // namespace
} // namespace shoal::swarm
