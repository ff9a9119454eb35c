#include "api/swarm_info.h"
#include "api/swarm_test_cluster.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;
using swarm::LocalState;
using swarm::Standing;

struct SwarmInfoTest : testing::Test, TestCluster {
    Standing manager() {
        Standing standing;
        standing.state = LocalState::Active;
        standing.manager = true;
        standing.node_id = "n1";
        standing.node_addr = "10.0.0.1";
        standing.managers.emplace_back();
        standing.managers.back().set_node_id("n1");
        standing.managers.back().set_addr("10.0.0.1:2377");
        return standing;
    }
};

TEST_F(SwarmInfoTest, outside_a_swarm_everything_is_empty) {
    EXPECT_EQ(
        swarm_info_document({}, nullptr).dump(),
        R"({"NodeID":"","NodeAddr":"","LocalNodeState":"inactive","ControlAvailable":false,"Error":"","RemoteManagers":null})");
    EXPECT_EQ(swarm_header({}), "inactive");
}

TEST_F(SwarmInfoTest, a_manager_counts_nodes_and_shows_the_cluster_without_tokens) {
    cluster();
    node("n1", "alpha", pb::MANAGER);
    node("n2", "beta");
    const auto json = swarm_info_document(manager(), &store);
    EXPECT_EQ(json["LocalNodeState"], "active");
    EXPECT_EQ(json["ControlAvailable"], true);
    EXPECT_EQ(json["RemoteManagers"].dump(), R"([{"NodeID":"n1","Addr":"10.0.0.1:2377"}])");
    EXPECT_EQ(json["Nodes"], 2);
    EXPECT_EQ(json["Managers"], 1);
    EXPECT_EQ(json["Cluster"]["ID"], "cluster1");
    EXPECT_EQ(json.dump().find("SWMTKN"), std::string::npos);
    EXPECT_EQ(swarm_header(manager()), "active/manager");
}

TEST_F(SwarmInfoTest, a_worker_does_not_know_the_cluster) {
    auto standing = manager();
    standing.manager = false;
    EXPECT_FALSE(swarm_info_document(standing, nullptr).contains("Cluster"));
    EXPECT_EQ(swarm_header(standing), "active/worker");
    standing.state = LocalState::Locked;
    EXPECT_EQ(swarm_header(standing), "locked");
}

TEST_F(SwarmInfoTest, two_managers_and_a_full_store_are_warned_of) {
    node("n1", "alpha", pb::MANAGER);
    EXPECT_TRUE(swarm_warnings(manager(), &store).empty());
    node("n2", "beta", pb::MANAGER);
    auto standing = manager();
    standing.trouble = "the store is full";
    const auto warnings = swarm_warnings(standing, &store);
    ASSERT_EQ(warnings.size(), 2u);
    EXPECT_TRUE(warnings[0].starts_with("WARNING: Running Swarm in a two-manager configuration."));
    EXPECT_EQ(warnings[1], "WARNING: this manager's store: the store is full");
    node("n3", "gamma", pb::MANAGER);
    EXPECT_EQ(swarm_warnings(standing, &store).size(), 1u);
}

TEST_F(SwarmInfoTest, nodes_that_a_rotation_of_the_root_waits_for_are_named) {
    cluster();
    node("n1", "alpha", pb::MANAGER);
    auto lost = node("n2", "beta", pb::WORKER);
    lost.mutable_status()->set_state(pb::NodeStatus::DOWN);
    put(lost);
    EXPECT_TRUE(swarm_warnings(manager(), &store).empty());
    auto rotating = *store.cluster();
    rotating.mutable_root_ca()->mutable_root_rotation()->set_ca_cert("next");
    rotating.mutable_root_ca()->mutable_root_rotation()->set_cross_signed_ca_cert("crossed");
    put(rotating);
    const auto warnings = swarm_warnings(manager(), &store);
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings[0].find("waits for nodes that do not answer: beta."), std::string::npos);
}

} // namespace
} // namespace shoal::api
