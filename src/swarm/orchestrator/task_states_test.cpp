#include "swarm/orchestrator/task_states.h"

#include "swarm/orchestrator/test_cluster.h"

namespace shoal::swarm {
namespace {

struct TaskStates : OrchestratorTest {
    TaskStates() {
        made.set_id("s1");
        auto& spec = *made.mutable_spec();
        spec.mutable_annotations()->set_name("web");
        spec.mutable_replicated()->set_replicas(1);
        spec.mutable_task()->mutable_container()->set_image("nginx");
        auto& env = *spec.mutable_task()->mutable_container()->mutable_labels();
        for (int i = 0; i < 20; ++i) { env["label" + std::to_string(i)] = "x"; }
        spec.mutable_endpoint()->add_ports()->set_target_port(80);
        made.mutable_spec_version()->set_index(3);
    }
    pb::Task task() { return make_task("t1", made, nullptr, SlotKey{2, ""}, now); }
    /// After the service's next version.
    bool is_dirty(const pb::Task& task) {
        made.mutable_spec_version()->set_index(4);
        return SpecComparison(store, made).is_dirty(task);
    }
    pb::Service made;
};

TEST_F(TaskStates, a_new_task_has_what_its_service_asks_for) {
    const auto task = this->task();
    EXPECT_EQ(task.annotations().name(), "web.2.t1");
    EXPECT_EQ(task.service_annotations().name(), "web");
    EXPECT_EQ(task.spec().container().image(), "nginx");
    EXPECT_EQ(task.endpoint().spec().ports(0).target_port(), 80u);
    EXPECT_EQ(task.spec_version().index(), 3u);
    EXPECT_EQ(task.slot(), 2u);
    EXPECT_EQ(task.desired_state(), pb::RUNNING);
    EXPECT_EQ(task.status().state(), pb::NEW);
    EXPECT_EQ(task.status().message(), "created");
    EXPECT_FALSE(task.has_log_driver());
}

TEST_F(TaskStates, tasks_of_nodes_are_named_after_them_and_jobs_are_to_complete) {
    made.mutable_spec()->mutable_global_job();
    made.mutable_job_status()->mutable_job_iteration()->set_index(7);
    const auto task = make_task("t1", made, nullptr, SlotKey{0, "n1"}, now);
    EXPECT_EQ(task.annotations().name(), "web.n1.t1");
    EXPECT_EQ(task.node_id(), "n1");
    EXPECT_EQ(task.desired_state(), pb::COMPLETE);
    EXPECT_EQ(task.job_iteration().index(), 7u);
}

TEST_F(TaskStates, the_clusters_log_driver_is_for_services_that_name_none) {
    pb::Cluster cluster;
    cluster.mutable_spec()->mutable_task_defaults()->mutable_log_driver()->set_name("local");
    EXPECT_EQ(make_task("t", made, &cluster, {1, ""}, now).log_driver().name(), "local");
    made.mutable_spec()->mutable_task()->mutable_log_driver()->set_name("none");
    EXPECT_EQ(make_task("t", made, &cluster, {1, ""}, now).log_driver().name(), "none");
}

TEST_F(TaskStates, states_never_go_back) {
    auto task = this->task();
    EXPECT_TRUE(advance_desired(task, pb::SHUTDOWN));
    EXPECT_FALSE(advance_desired(task, pb::RUNNING));
    EXPECT_TRUE(advance_observed(task, {pb::RUNNING, "started", "", "m1"}, now));
    EXPECT_FALSE(advance_observed(task, {pb::READY, "late", "", "m1"}, now));
    EXPECT_EQ(task.status().message(), "started");
    EXPECT_EQ(task.status().applied_by(), "m1");
    EXPECT_EQ(from_timestamp(task.status().applied_at()), now);
}

TEST_F(TaskStates, a_task_that_no_node_has_had_is_over_when_it_is_stopped) {
    auto task = this->task();
    EXPECT_TRUE(stop(task, pb::SHUTDOWN, now));
    EXPECT_EQ(task.status().state(), pb::SHUTDOWN);
    task = this->task();
    advance_observed(task, {pb::ASSIGNED, "", "", ""}, now);
    EXPECT_TRUE(stop(task, pb::REMOVE, now));
    EXPECT_EQ(task.status().state(), pb::ASSIGNED);
    EXPECT_FALSE(stop(task, pb::SHUTDOWN, now));
}

TEST_F(TaskStates, a_task_is_dirty_when_what_it_runs_has_changed) {
    const auto task = this->task();
    EXPECT_FALSE(is_dirty(task));
    made.mutable_spec()->mutable_annotations()->mutable_labels()->insert({"of", "the service"});
    EXPECT_FALSE(is_dirty(task));
    made.mutable_spec()->mutable_replicated()->set_replicas(9);
    EXPECT_FALSE(is_dirty(task));
    made.mutable_spec()->mutable_task()->set_force_update(1);
    EXPECT_TRUE(is_dirty(task));
    made.mutable_spec()->mutable_task()->set_force_update(0);
    made.mutable_spec()->mutable_endpoint()->mutable_ports(0)->set_target_port(81);
    EXPECT_TRUE(is_dirty(task));
}

TEST_F(TaskStates, a_task_stays_where_a_changed_placement_still_allows_it) {
    node("n1", [](pb::Node& n) { n.set_role(pb::MANAGER); });
    auto task = this->task();
    made.mutable_spec()->mutable_task()->mutable_placement()->add_constraints("node.role==manager");
    EXPECT_TRUE(is_dirty(task)) << "it has no node yet";
    task.set_node_id("n1");
    EXPECT_FALSE(is_dirty(task));
    made.mutable_spec()->mutable_task()->mutable_placement()->set_constraints(0,
                                                                              "node.role==worker");
    EXPECT_TRUE(is_dirty(task));
}

TEST_F(TaskStates, other_credentials_matter_only_to_a_task_that_has_not_pulled) {
    auto task = this->task();
    made.mutable_spec()
        ->mutable_task()
        ->mutable_container()
        ->mutable_pull_options()
        ->set_registry_auth("other");
    EXPECT_TRUE(is_dirty(task));
    advance_observed(task, {pb::RUNNING, "", "", ""}, now);
    EXPECT_FALSE(is_dirty(task));
    advance_observed(task, {pb::FAILED, "", "", ""}, now);
    EXPECT_TRUE(is_dirty(task));
}

TEST_F(TaskStates, a_node_that_is_only_silent_keeps_its_tasks) {
    auto task = this->task();
    EXPECT_EQ(node_loss(store, task), NodeLoss::None);
    task.set_node_id("n1");
    EXPECT_EQ(node_loss(store, task), NodeLoss::Gone);
    node("n1");
    EXPECT_EQ(node_loss(store, task), NodeLoss::None);
    node_state("n1", pb::NodeStatus::UNKNOWN);
    EXPECT_EQ(node_loss(store, task), NodeLoss::None);
    node_state("n1", pb::NodeStatus::DISCONNECTED);
    EXPECT_EQ(node_loss(store, task), NodeLoss::None);
    node_state("n1", pb::NodeStatus::DOWN);
    EXPECT_EQ(node_loss(store, task), NodeLoss::Down);
    node_state("n1", pb::NodeStatus::READY);
    availability("n1", pb::NodeSpec::DRAIN);
    EXPECT_EQ(node_loss(store, task), NodeLoss::Drain);
}

} // namespace
} // namespace shoal::swarm
