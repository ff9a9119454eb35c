#include "swarm/ca/founding.h"

#include "os/clock.h"
#include "swarm/ca/token.h"

#include <gtest/gtest.h>

#include <set>

namespace shoal::swarm {
namespace {

constexpr Instant noon{std::chrono::seconds(1'800'000'000)};

struct FoundingTest : testing::Test {
    os::SystemRandom random;
    Result<pb::Cluster> make(pb::ClusterSpec spec = {}) {
        NewCluster wanted;
        wanted.id = "c1";
        wanted.spec = std::move(spec);
        return make_cluster(std::move(wanted), noon, random);
    }
};

TEST_F(FoundingTest, a_cluster_begins_with_the_known_defaults) {
    const auto cluster = make();
    ASSERT_TRUE(cluster) << cluster.error().message;
    const auto& spec = cluster->spec();
    EXPECT_EQ(cluster->id(), "c1");
    EXPECT_EQ(spec.annotations().name(), "default");
    EXPECT_EQ(spec.orchestration().task_history_retention_limit(), 5);
    EXPECT_EQ(spec.raft().snapshot_interval(), 10'000u);
    EXPECT_EQ(spec.raft().keep_old_snapshots(), 0u);
    EXPECT_EQ(spec.raft().log_entries_for_slow_followers(), 500u);
    EXPECT_EQ(spec.raft().heartbeat_tick(), 1u);
    EXPECT_EQ(spec.raft().election_tick(), 10u);
    EXPECT_EQ(spec.dispatcher().heartbeat_period().seconds(), 5);
    EXPECT_EQ(spec.ca_config().node_cert_expiry().seconds(), 2160 * 3600);
    EXPECT_FALSE(spec.encryption_config().auto_lock_managers());
    EXPECT_EQ(cluster->defaultaddresspool(0), "10.0.0.0/8");
    EXPECT_EQ(cluster->subnetsize(), 24u);
    EXPECT_EQ(cluster->vxlanudpport(), 4789u);
    EXPECT_EQ(cluster->unlock_keys_size(), 0);
}

TEST_F(FoundingTest, what_is_given_stays) {
    pb::ClusterSpec spec;
    spec.mutable_orchestration()->set_task_history_retention_limit(0);
    spec.mutable_dispatcher()->mutable_heartbeat_period()->set_seconds(9);
    spec.mutable_ca_config()->mutable_node_cert_expiry()->set_seconds(7200);
    const auto cluster = make(spec);
    EXPECT_EQ(cluster->spec().orchestration().task_history_retention_limit(), 0);
    EXPECT_EQ(cluster->spec().dispatcher().heartbeat_period().seconds(), 9);
    EXPECT_EQ(cluster->spec().ca_config().node_cert_expiry().seconds(), 7200);
}

TEST_F(FoundingTest, the_data_path_has_a_port_that_is_nobodys) {
    const auto with = [this](std::uint32_t port) {
        NewCluster wanted;
        wanted.id = "c1";
        wanted.data_path_port = port;
        return make_cluster(std::move(wanted), noon, random);
    };
    EXPECT_EQ(with(0)->vxlanudpport(), 4789u);
    EXPECT_EQ(with(7777)->vxlanudpport(), 7777u);
    for (const std::uint32_t port : {1u, 1023u, 49152u, 70'000u}) { EXPECT_FALSE(with(port)); }
}

TEST_F(FoundingTest, its_tokens_differ_and_pin_its_root) {
    const auto cluster = make();
    const auto& tokens = cluster->root_ca().join_tokens();
    EXPECT_NE(tokens.worker(), tokens.manager());
    for (const auto& text : {tokens.worker(), tokens.manager()}) {
        const auto token = parse_join_token(text);
        ASSERT_TRUE(token);
        EXPECT_TRUE(check_root_digest(*token, cluster->root_ca().ca_cert()));
    }
    EXPECT_EQ(cluster->root_ca().ca_cert_hash(),
              "sha256:" + root_digest_hex(cluster->root_ca().ca_cert()));
    // The store's traffic has an authority of its own.
    EXPECT_NE(cluster->root_ca().store_ca_cert(), cluster->root_ca().ca_cert());
    EXPECT_NE(make()->root_ca().ca_cert(), cluster->root_ca().ca_cert());
}

TEST_F(FoundingTest, stock_engines_get_several_network_keys_with_times_that_differ) {
    const auto cluster = make();
    std::set<std::uint64_t> times;
    std::map<std::string, int> count;
    for (const auto& key : cluster->network_bootstrap_keys()) {
        times.insert(key.lamport_time());
        ++count[key.subsystem()];
        EXPECT_EQ(key.key().size(), 16u);
    }
    EXPECT_EQ(times.size(), 6u);
    EXPECT_EQ(count["networking:gossip"], 3);
    EXPECT_EQ(count["networking:ipsec"], 3);
    EXPECT_EQ(cluster->encryption_key_lamport_clock(), *times.rbegin());
}

TEST_F(FoundingTest, locking_makes_an_unlock_key) {
    pb::ClusterSpec spec;
    spec.mutable_encryption_config()->set_auto_lock_managers(true);
    auto cluster = make(spec);
    const auto key = unlock_key_of(*cluster);
    EXPECT_EQ(key.size(), 32u);
    renew_unlock_key(*cluster, random);
    EXPECT_NE(unlock_key_of(*cluster), key);
    EXPECT_EQ(cluster->unlock_keys_size(), 1);
    cluster->mutable_spec()->mutable_encryption_config()->set_auto_lock_managers(false);
    renew_unlock_key(*cluster, random);
    EXPECT_EQ(unlock_key_of(*cluster), "");
}

TEST_F(FoundingTest, a_users_root_is_taken_and_external_ones_are_refused) {
    const auto own = *make_root(noon);
    pb::ClusterSpec spec;
    spec.mutable_ca_config()->set_signing_ca_cert(own.certificate);
    EXPECT_FALSE(make(spec)); // without its key
    spec.mutable_ca_config()->set_signing_ca_key(own.key);
    EXPECT_EQ(make(spec)->root_ca().ca_cert(), own.certificate);
    spec.mutable_ca_config()->add_external_cas()->set_url("https://ca.example");
    const auto refused = make(spec);
    EXPECT_EQ(refused.error().code, Errc::Unsupported);
    EXPECT_NE(refused.error().message.find("https://ca.example"), std::string::npos);
}

TEST_F(FoundingTest, the_first_manager_has_its_certificates) {
    const auto cluster = make();
    const auto first = make_first_manager(*cluster, "n1", {"10.0.0.1"}, noon);
    ASSERT_TRUE(first) << first.error().message;
    const auto identity = parse_identity(first->credentials.certificate);
    EXPECT_EQ(identity->node_id, "n1");
    EXPECT_EQ(identity->cluster_id, "c1");
    EXPECT_EQ(identity->role, Role::Manager);
    EXPECT_TRUE(check_pair(first->credentials.certificate, first->credentials.key));
    EXPECT_TRUE(check_pair(first->store_cert, first->store_key));
    EXPECT_TRUE(tls_info_of(first->credentials.certificate, first->credentials.roots, noon));
    EXPECT_EQ(first->node.certificate().certificate(), first->credentials.certificate);
    EXPECT_EQ(first->node.certificate().status().state(), pb::IssuanceStatus::ISSUED);
    EXPECT_EQ(first->node.spec().desired_role(), pb::MANAGER);
    EXPECT_EQ(first->node.spec().membership(), pb::NodeSpec::ACCEPTED);
}

} // namespace
} // namespace shoal::swarm
