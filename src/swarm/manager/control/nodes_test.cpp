#include "swarm/manager/control/control_fixture.h"
#include "swarm/manager/control/nodes.h"

namespace shoal::swarm {
namespace {

struct NodesTest : ControlTest {
    pb::NodeSpec wish(pb::NodeRole role) {
        pb::NodeSpec spec;
        spec.set_desired_role(role);
        return spec;
    }
};

TEST_F(NodesTest, an_update_keeps_what_users_cannot_say) {
    tx.put(node("w", pb::WORKER));
    auto spec = wish(pb::WORKER);
    spec.set_availability(pb::NodeSpec::DRAIN);
    const auto updated = update_node(tx, "w", 0, spec);
    ASSERT_TRUE(updated);
    EXPECT_EQ(updated->node->spec().availability(), pb::NodeSpec::DRAIN);
    EXPECT_EQ(updated->node->spec().membership(), pb::NodeSpec::ACCEPTED);
    EXPECT_EQ(error_of(update_node(tx, "w", 3, spec)), "update out of sequence");
    EXPECT_EQ(error_of(update_node(tx, "x", 0, spec)), "node x not found");
}

TEST_F(NodesTest, the_last_manager_is_not_demoted) {
    tx.put(node("m", pb::MANAGER));
    EXPECT_EQ(error_of(update_node(tx, "m", 0, wish(pb::WORKER))),
              "attempting to demote the last manager of the swarm");
}

TEST_F(NodesTest, demoting_the_second_of_two_managers_warns) {
    tx.put(node("m1", pb::MANAGER));
    tx.put(node("m2", pb::MANAGER));
    const auto updated = update_node(tx, "m2", 0, wish(pb::WORKER));
    ASSERT_TRUE(updated);
    EXPECT_EQ(updated->warnings.size(), 1u);
    EXPECT_EQ(updated->node->spec().desired_role(), pb::WORKER);
    EXPECT_EQ(updated->node->role(), pb::MANAGER); // until the manager has made it come true
}

TEST_F(NodesTest, a_demotion_that_leaves_no_majority_is_refused) {
    for (const std::string id : {"m1", "m2", "m3"}) { tx.put(node(id, pb::MANAGER)); }
    auto lost = node("m3", pb::MANAGER);
    lost.mutable_manager_status()->set_reachability(pb::RaftMemberStatus::UNREACHABLE);
    tx.put(lost);
    EXPECT_EQ(error_of(update_node(tx, "m2", 0, wish(pb::WORKER))),
              "can't remove member from the raft: this would result in a loss of quorum");
    EXPECT_TRUE(update_node(tx, "m3", 0, wish(pb::WORKER))); // the lost one may go
}

TEST_F(NodesTest, a_manager_is_demoted_before_it_is_removed) {
    tx.put(node("m", pb::MANAGER));
    const auto refused = remove_node(tx, "m", {.force = true});
    EXPECT_EQ(error_of(refused),
              "node m is a cluster manager and is a member of the raft cluster. It must be demoted "
              "to worker before removal");
}

TEST_F(NodesTest, a_node_that_is_up_is_removed_by_force_only) {
    tx.put(node("w", pb::WORKER));
    EXPECT_EQ(error_of(remove_node(tx, "w")), "node w is not down and can't be removed");
    EXPECT_TRUE(remove_node(tx, "w", {.force = true}));
    EXPECT_FALSE(store.get<pb::Node>("w"));
}

TEST_F(NodesTest, removal_orphans_tasks_and_refuses_the_certificate) {
    pb::Cluster cluster;
    cluster.set_id("c");
    auto& unwanted = *cluster.mutable_blacklisted_certificates();
    *unwanted["old"].mutable_expiry() = to_timestamp(now - std::chrono::hours(2));
    unwanted["endless"];
    tx.put(cluster);
    tx.put(node("w", pb::WORKER));
    pb::Task running;
    running.set_id("t1");
    running.set_node_id("w");
    running.mutable_status()->set_state(pb::RUNNING);
    tx.put(running);
    pb::Task done = running;
    done.set_id("t2");
    done.mutable_status()->set_state(pb::COMPLETE);
    tx.put(done);
    const Instant ends = now + std::chrono::hours(24);
    ASSERT_TRUE(remove_node(tx, "w", {.force = true, .certificate_ends = ends}));
    EXPECT_EQ(store.get<pb::Task>("t1")->status().state(), pb::ORPHANED);
    EXPECT_EQ(from_timestamp(store.get<pb::Task>("t1")->status().applied_at()), now);
    EXPECT_EQ(store.get<pb::Task>("t2")->status().state(), pb::COMPLETE);
    const auto& list = store.cluster()->blacklisted_certificates();
    EXPECT_EQ(list.size(), 2u);
    EXPECT_TRUE(list.contains("endless"));
    EXPECT_EQ(from_timestamp(list.at("w").expiry()), ends + std::chrono::hours(1));
}

} // namespace
} // namespace shoal::swarm
