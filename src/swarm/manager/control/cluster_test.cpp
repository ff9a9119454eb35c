#include "swarm/manager/control/cluster.h"
#include "swarm/manager/control/control_fixture.h"

namespace shoal::swarm {
namespace {

struct ClusterTest : ControlTest {
    int tokens = 0;
    int keys = 0;
    int roots = 0;
    ClusterActions actions{[this](pb::NodeRole role, const pb::Cluster&) -> Result<std::string> {
                               return std::string(role == pb::MANAGER ? "manager" : "worker") +
                                      std::to_string(++tokens);
                           },
                           [this](Tx&, const pb::Cluster&, pb::Cluster&) { return ++keys, ok(); },
                           [this](Tx&, const pb::Cluster&, pb::Cluster&) { return ++roots, ok(); }};

    void SetUp() override {
        pb::Cluster cluster;
        cluster.set_id("c");
        cluster.mutable_spec()->mutable_annotations()->set_name("default");
        cluster.mutable_root_ca()->mutable_join_tokens()->set_worker("w");
        cluster.mutable_root_ca()->mutable_join_tokens()->set_manager("m");
        tx.put(cluster);
    }
    pb::ClusterSpec spec() { return store.cluster()->spec(); }
    Result<ClusterPtr> update(const pb::ClusterSpec& wish, UpdateCluster options = {}) {
        return update_cluster(tx, 0, wish, options, actions);
    }
};

TEST_F(ClusterTest, settings_are_written_and_nothing_else_happens) {
    auto wish = spec();
    wish.mutable_orchestration()->set_task_history_retention_limit(9);
    wish.mutable_policy()->set_allow_privileged(true);
    ASSERT_TRUE(update(wish));
    EXPECT_EQ(spec().orchestration().task_history_retention_limit(), 9);
    EXPECT_TRUE(spec().policy().allow_privileged());
    EXPECT_EQ(tokens + keys + roots, 0);
    EXPECT_EQ(store.cluster()->root_ca().join_tokens().worker(), "w");
}

TEST_F(ClusterTest, another_version_is_out_of_sequence) {
    EXPECT_EQ(error_of(update_cluster(tx, 4, spec(), {}, actions)), "update out of sequence");
}

TEST_F(ClusterTest, the_name_is_default) {
    auto wish = spec();
    wish.mutable_annotations()->clear_name();
    ASSERT_TRUE(update(wish));
    EXPECT_EQ(spec().annotations().name(), "default");
    pb::ClusterSpec other;
    other.mutable_annotations()->set_name("mine");
    EXPECT_EQ(error_of(check_cluster_spec(other)), "swarm spec must be named \"default\"");
}

TEST_F(ClusterTest, tokens_are_rotated_one_by_one) {
    ASSERT_TRUE(update(spec(), {.rotate_worker_token = true}));
    EXPECT_EQ(store.cluster()->root_ca().join_tokens().worker(), "worker1");
    EXPECT_EQ(store.cluster()->root_ca().join_tokens().manager(), "m");
    ASSERT_TRUE(update(spec(), {.rotate_manager_token = true}));
    EXPECT_EQ(store.cluster()->root_ca().join_tokens().manager(), "manager2");
}

TEST_F(ClusterTest, the_unlock_key_changes_with_locking_and_on_demand) {
    EXPECT_FALSE(update(spec(), {.rotate_unlock_key = true}));
    auto wish = spec();
    wish.mutable_encryption_config()->set_auto_lock_managers(true);
    ASSERT_TRUE(update(wish));
    EXPECT_EQ(keys, 1);
    ASSERT_TRUE(update(spec()));
    EXPECT_EQ(keys, 1);
    ASSERT_TRUE(update(spec(), {.rotate_unlock_key = true}));
    EXPECT_EQ(keys, 2);
    wish.mutable_encryption_config()->set_auto_lock_managers(false);
    ASSERT_TRUE(update(wish));
    EXPECT_EQ(keys, 3);
}

TEST_F(ClusterTest, a_new_root_is_begun_when_it_is_asked_for) {
    auto wish = spec();
    wish.mutable_ca_config()->set_force_rotate(1);
    ASSERT_TRUE(update(wish));
    EXPECT_EQ(roots, 1);
    wish.mutable_ca_config()->set_signing_ca_cert("cert");
    wish.mutable_ca_config()->set_signing_ca_key("key");
    ASSERT_TRUE(update(wish));
    EXPECT_EQ(roots, 2);
    wish.mutable_ca_config()->clear_signing_ca_key(); // as clients read it
    ASSERT_TRUE(update(wish));
    EXPECT_EQ(roots, 2);
    EXPECT_EQ(spec().ca_config().signing_ca_key(), "key");
}

TEST_F(ClusterTest, a_failing_part_refuses_the_whole_update) {
    actions.change_root = [](Tx&, const pb::Cluster&, pb::Cluster&) -> Result<void> {
        return invalid("no such key");
    };
    auto wish = spec();
    wish.mutable_ca_config()->set_force_rotate(1);
    EXPECT_EQ(error_of(update(wish)), "no such key");
    EXPECT_EQ(spec().ca_config().force_rotate(), 0u);
}

TEST_F(ClusterTest, settings_have_ranges) {
    auto wish = spec();
    *wish.mutable_ca_config()->mutable_node_cert_expiry() = to_duration(std::chrono::minutes(59));
    EXPECT_EQ(error_of(update(wish)), "minimum certificate expiry time is: 1h0m0s");
    wish = spec();
    *wish.mutable_dispatcher()->mutable_heartbeat_period() = to_duration(nanoseconds(-1));
    EXPECT_EQ(error_of(update(wish)), "heartbeat time period cannot be a negative duration");
    wish = spec();
    wish.mutable_raft()->set_heartbeat_tick(3);
    wish.mutable_raft()->set_election_tick(3);
    EXPECT_EQ(error_of(update(wish)), "election tick must be greater than heartbeat tick");
    wish = spec();
    wish.mutable_store_timing()->set_heartbeat_ms(100);
    wish.mutable_store_timing()->set_election_ms(300);
    EXPECT_FALSE(update(wish));
    wish = spec();
    wish.mutable_ca_config()->add_external_cas()->set_url("https://ca");
    EXPECT_EQ(code_of(update(wish)), Errc::Unsupported);
}

} // namespace
} // namespace shoal::swarm
