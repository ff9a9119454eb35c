#include "swarm/orchestrator/enforcer.h"

#include "swarm/orchestrator/replicated.h"
#include "swarm/orchestrator/test_cluster.h"

namespace shoal::swarm {
namespace {

using std::chrono::seconds;

struct Enforcer : OrchestratorTest {
    Enforcer() {
        add<ConstraintEnforcer>();
        add<ReplicatedOrchestrator>();
        label("n1", "ssd");
        label("n2", "ssd");
    }
    void label(const std::string& id, const std::string& disk) {
        node(id, [&](pb::Node& n) {
            (*n.mutable_spec()->mutable_annotations()->mutable_labels())["disk"] = disk;
        });
    }
    std::vector<TaskPtr> rejected() const {
        return tasks("db", [](const auto& t) { return t.status().state() == pb::REJECTED; });
    }
};

TEST_F(Enforcer, rejects_what_a_node_is_not_for_any_more) {
    service("db", [](auto& s) {
        s.mutable_replicated()->set_replicas(2);
        s.mutable_task()->mutable_placement()->add_constraints("node.labels.disk==ssd");
    });
    work();
    label("n1", "spinning");
    ASSERT_EQ(rejected().size(), 1u);
    EXPECT_EQ(rejected()[0]->status().err(), "assigned node no longer meets constraints");
    EXPECT_EQ(rejected()[0]->desired_state(), pb::SHUTDOWN);
    pass(seconds(5));
    work();
    ASSERT_EQ(running("db").size(), 2u);
    for (const auto& task : running("db")) { EXPECT_EQ(task->node_id(), "n2"); }
}

TEST_F(Enforcer, rejects_the_youngest_when_there_is_too_little_left) {
    const auto memory = [](std::int64_t bytes) {
        return [bytes](pb::Node& n) {
            n.mutable_description()->mutable_resources()->set_memory_bytes(bytes);
        };
    };
    node("n1", memory(300));
    availability("n2", pb::NodeSpec::DRAIN);
    service("db", [](auto& s) {
        s.mutable_replicated()->set_replicas(2);
        s.mutable_task()->mutable_resources()->mutable_reservations()->set_memory_bytes(100);
    });
    work();
    pass(seconds(1));
    service("db", replicas(3));
    work();
    ASSERT_EQ(running("db").size(), 3u);
    node("n1", memory(250));
    ASSERT_EQ(rejected().size(), 1u);
    EXPECT_EQ(rejected()[0]->slot(), 3u);
}

TEST_F(Enforcer, counts_generic_resources_by_kind) {
    const auto with_gpus = [](std::int64_t count) {
        return [count](pb::Node& n) {
            auto& resources = *n.mutable_description()->mutable_resources();
            resources.clear_generic();
            auto& gpu = *resources.add_generic()->mutable_discrete_resource_spec();
            gpu.set_kind("gpu");
            gpu.set_value(count);
        };
    };
    node("n1", with_gpus(2));
    availability("n2", pb::NodeSpec::DRAIN);
    service("db", [](auto& s) {
        s.mutable_replicated()->set_replicas(2);
        auto& gpu = *s.mutable_task()
                         ->mutable_resources()
                         ->mutable_reservations()
                         ->add_generic()
                         ->mutable_discrete_resource_spec();
        gpu.set_kind("gpu");
        gpu.set_value(1);
    });
    work();
    ASSERT_EQ(running("db").size(), 2u);
    node("n1", with_gpus(1));
    EXPECT_EQ(rejected().size(), 1u);
}

TEST_F(Enforcer, leaves_alone_what_is_paused_drained_or_has_told_nothing) {
    service("db", [](auto& s) {
        s.mutable_replicated()->set_replicas(2);
        s.mutable_task()->mutable_resources()->mutable_reservations()->set_memory_bytes(100);
    });
    work();
    node("n1", [](auto& n) { n.mutable_status()->set_message("hello"); });
    EXPECT_TRUE(rejected().empty());
    availability("n1", pb::NodeSpec::PAUSE);
    node("n1", [](auto& n) { n.mutable_description()->mutable_resources(); });
    EXPECT_TRUE(rejected().empty());
    availability("n1", pb::NodeSpec::ACTIVE);
    EXPECT_EQ(rejected().size(), 1u);
}

} // namespace
} // namespace shoal::swarm
