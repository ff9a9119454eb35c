#include "api/cluster_events.h"
#include "api/event_document.h"
#include "api/swarm_test_cluster.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

struct ClusterEventsTest : testing::Test, TestCluster {
    /// The event of changing `before` into `after`.
    template <class T> std::optional<engine::Event> changed(const T& before, const T& after) {
        swarm::Change change{swarm::KindOf<T>::value, after.id()};
        change.before = swarm::Ptr<T>(std::make_shared<T>(before));
        change.after = swarm::Ptr<T>(std::make_shared<T>(after));
        return cluster_event(change);
    }
    template <class T> std::optional<engine::Event> gone(const T& before) {
        swarm::Change change{swarm::KindOf<T>::value, before.id()};
        change.before = swarm::Ptr<T>(std::make_shared<T>(before));
        return cluster_event(change);
    }
};

TEST_F(ClusterEventsTest, a_new_service_and_one_that_is_gone) {
    const auto web = service("s1", "web");
    swarm::Change change{swarm::Kind::Service, "s1"};
    change.after = swarm::ServicePtr(std::make_shared<pb::Service>(web));
    const auto event = cluster_event(change);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, "service");
    EXPECT_EQ(event->action, "create");
    EXPECT_EQ(event->id, "s1");
    EXPECT_EQ(event->scope, "swarm");
    EXPECT_EQ(event->attributes, (Labels{{"name", "web"}}));
    EXPECT_EQ(gone(web)->action, "remove");
    EXPECT_NE(event_document(*event).find(R"("scope":"swarm")"), std::string::npos);
}

TEST_F(ClusterEventsTest, an_update_of_a_service_says_what_was_and_what_is) {
    const auto before = service("s1", "web");
    auto after = before;
    after.mutable_spec()->mutable_replicated()->set_replicas(3);
    after.mutable_spec()->mutable_task()->mutable_container()->set_image("nginx:2");
    after.mutable_update_status()->set_state(pb::UpdateStatus::UPDATING);
    EXPECT_EQ(changed(before, after)->attributes, (Labels{{"name", "web"},
                                                          {"image.old", "nginx"},
                                                          {"image.new", "nginx:2"},
                                                          {"replicas.old", "1"},
                                                          {"replicas.new", "3"},
                                                          {"updatestate.new", "updating"}}));
    auto done = after;
    done.mutable_update_status()->set_state(pb::UpdateStatus::COMPLETED);
    EXPECT_EQ(changed(after, done)->attributes, (Labels{{"name", "web"},
                                                        {"updatestate.old", "updating"},
                                                        {"updatestate.new", "completed"}}));
}

TEST_F(ClusterEventsTest, a_node_says_what_users_see_and_is_silent_about_the_rest) {
    const auto before = node("n1", "alpha");
    auto after = before;
    after.mutable_description()->mutable_resources()->set_nano_cpus(7);
    EXPECT_FALSE(changed(before, after));
    after.mutable_status()->set_state(pb::NodeStatus::DOWN);
    after.mutable_spec()->set_availability(pb::NodeSpec::DRAIN);
    after.mutable_spec()->set_desired_role(pb::MANAGER);
    EXPECT_EQ(changed(before, after)->attributes, (Labels{{"name", "alpha"},
                                                          {"state.old", "ready"},
                                                          {"state.new", "down"},
                                                          {"availability.old", "active"},
                                                          {"availability.new", "drain"},
                                                          {"role.old", "worker"},
                                                          {"role.new", "manager"}}));
    auto labelled = before;
    (*labelled.mutable_spec()->mutable_annotations()->mutable_labels())["a"] = "b";
    EXPECT_EQ(changed(before, labelled)->attributes, (Labels{{"name", "alpha"}}));
}

TEST_F(ClusterEventsTest, networks_are_told_of_and_tasks_are_not) {
    EXPECT_EQ(gone(network("o1", "back"))->type, "network");
    EXPECT_FALSE(gone(task("t", service("s", "web"), 1, "n")));
}

} // namespace
} // namespace shoal::api
