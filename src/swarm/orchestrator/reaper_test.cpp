#include "swarm/orchestrator/reaper.h"

#include "swarm/orchestrator/global.h"
#include "swarm/orchestrator/replicated.h"
#include "swarm/orchestrator/test_cluster.h"

namespace shoal::swarm {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct Reaper : OrchestratorTest {
    Reaper() {
        add<ReplicatedOrchestrator>();
        add<GlobalOrchestrator>();
        add<TaskReaper>();
        nodes(2);
    }
    void keep(std::int64_t count) {
        with([&](Tx& tx) {
            pb::Cluster cluster;
            cluster.set_id("c");
            cluster.mutable_spec()->mutable_orchestration()->set_task_history_retention_limit(
                count);
            tx.put(cluster);
        });
    }
    void fail(int times) {
        for (int i = 0; i < times; ++i) {
            work();
            for (const auto& task : running("web")) { state(task->id(), pb::FAILED); }
            pass(seconds(5));
        }
        work();
    }
};

TEST_F(Reaper, keeps_five_tasks_of_a_slot) {
    service("web", replicas(2));
    fail(10);
    EXPECT_EQ(tasks("web").size(), 10u);
    EXPECT_EQ(running("web").size(), 2u);
}

TEST_F(Reaper, keeps_as_many_as_the_cluster_says) {
    keep(2);
    service("web", replicas(1));
    fail(6);
    EXPECT_EQ(tasks("web").size(), 2u);
    keep(0);
    EXPECT_EQ(tasks("web").size(), 1u);
    keep(-1);
    fail(6);
    EXPECT_EQ(tasks("web").size(), 7u);
}

TEST_F(Reaper, keeps_the_attempts_that_are_counted) {
    keep(1);
    service("web", [](auto& s) {
        s.mutable_replicated()->set_replicas(1);
        s.mutable_task()->mutable_restart()->set_condition(pb::RestartPolicy::ANY);
        s.mutable_task()->mutable_restart()->set_max_attempts(3);
    });
    fail(10);
    EXPECT_EQ(tasks("web").size(), 4u);
    EXPECT_TRUE(wanted("web").empty());
}

TEST_F(Reaper, keeps_the_task_by_which_a_finished_slot_counts) {
    keep(0);
    service("web", [](auto& s) {
        s.mutable_replicated()->set_replicas(1);
        s.mutable_task()->mutable_restart()->set_condition(pb::RestartPolicy::NONE);
    });
    fail(3);
    EXPECT_EQ(tasks("web").size(), 1u);
}

TEST_F(Reaper, erases_removed_tasks_once_they_have_stopped) {
    service("web", replicas(3));
    work();
    service("web", replicas(1));
    EXPECT_EQ(tasks("web").size(), 3u);
    work();
    EXPECT_EQ(tasks("web").size(), 1u);
}

TEST_F(Reaper, erases_at_once_what_no_node_has_had) {
    service("web", replicas(3));
    service("web", replicas(1));
    EXPECT_EQ(tasks("web").size(), 1u);
}

TEST_F(Reaper, ends_the_tasks_of_a_service_that_was_removed) {
    service("web", replicas(3));
    work();
    service("agent", [](auto& s) { s.mutable_global(); });
    remove_service("web");
    remove_service("agent");
    EXPECT_EQ(tasks("web").size(), 3u);
    EXPECT_TRUE(tasks("agent").empty());
    for (const auto& task : tasks("web")) { EXPECT_EQ(task->desired_state(), pb::REMOVE); }
    work();
    EXPECT_TRUE(tasks("web").empty());
}

TEST_F(Reaper, finds_the_tasks_of_vanished_services_when_it_begins_to_lead) {
    service("web", replicas(2));
    work();
    store.apply(Kind::Service, "web", {}); // nobody was told
    for (const auto& reconciler : reconcilers) { reconciler->rebuild(store); }
    settle();
    for (const auto& task : tasks("web")) { EXPECT_EQ(task->desired_state(), pb::REMOVE); }
    work();
    EXPECT_TRUE(store.all<pb::Task>().empty());
}

TEST_F(Reaper, does_not_wait_for_the_word_of_a_node_that_is_gone) {
    service("web", replicas(2));
    work();
    remove_service("web");
    ASSERT_FALSE(tasks("web").empty());
    remove_node("n1");
    remove_node("n2");
    EXPECT_TRUE(tasks("web").empty());
}

TEST_F(Reaper, erases_attachments_that_are_over) {
    with([&](Tx& tx) {
        for (const std::string id : {"a1", "a2", "a3"}) {
            pb::Task attachment;
            attachment.set_id(id);
            attachment.set_node_id("n1");
            attachment.mutable_spec()->mutable_attachment()->set_container_id("c");
            attachment.set_desired_state(pb::RUNNING);
            attachment.mutable_status()->set_state(pb::RUNNING);
            tx.put(attachment);
        }
    });
    EXPECT_TRUE(task("a1"));
    state("a1", pb::ORPHANED);
    state("a2", pb::SHUTDOWN);
    EXPECT_FALSE(task("a1"));
    EXPECT_FALSE(task("a2"));
    EXPECT_TRUE(task("a3"));
}

} // namespace
} // namespace shoal::swarm
