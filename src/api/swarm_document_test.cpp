#include "api/swarm_document.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

// What the docker client 28.2.2 sends.
const char* const init_body =
    R"({"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"10.0.0.1","DataPathAddr":"","DataPathPort":5)"
    R"(000,"ForceNewCluster":false,"Spec":{"Labels":null,"Orchestration":{"TaskHistoryRetentionLi)"
    R"(mit":7},"Raft":{"SnapshotInterval":500,"KeepOldSnapshots":2,"ElectionTick":0,"HeartbeatTic)"
    R"(k":0},"Dispatcher":{"HeartbeatPeriod":3000000000},"CAConfig":{"NodeCertExpiry":36000000000)"
    R"(0000},"TaskDefaults":{},"EncryptionConfig":{"AutoLockManagers":true}},"AutoLockManagers":t)"
    R"(rue,"Availability":"drain","DefaultAddrPool":["10.20.0.0/16"],"SubnetSize":26})";
const char* const join_body =
    R"({"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"10.0.0.2","DataPathAddr":"","RemoteAddrs":[")"
    R"(10.0.0.1:2377"],"JoinToken":"SWMTKN-1-x","Availability":"pause"})";
const char* const update_body =
    R"({"Name":"default","Labels":{},"Orchestration":{"TaskHistoryRetentionLimit":3},"Raft":{"Sna)"
    R"(pshotInterval":10000,"KeepOldSnapshots":0,"LogEntriesForSlowFollowers":500,"ElectionTick":)"
    R"(10,"HeartbeatTick":1},"Dispatcher":{"HeartbeatPeriod":5000000000},"CAConfig":{"NodeCertExp)"
    R"(iry":7776000000000000},"TaskDefaults":{},"EncryptionConfig":{"AutoLockManagers":true}})";

TEST(SwarmDocument, an_init_request_is_understood) {
    const auto request = parse_init_request(*parse_json(init_body), 150);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->listen_addr, "0.0.0.0:2377");
    EXPECT_EQ(request->advertise_addr, "10.0.0.1");
    EXPECT_EQ(request->data_path_port, 5000u);
    EXPECT_EQ(request->availability, pb::NodeSpec::DRAIN);
    EXPECT_EQ(request->address_pools, std::vector<std::string>{"10.20.0.0/16"});
    EXPECT_EQ(request->subnet_size, 26u);
    const auto& spec = request->spec;
    EXPECT_TRUE(spec.encryption_config().auto_lock_managers());
    EXPECT_EQ(spec.annotations().name(), "default");
    EXPECT_EQ(spec.orchestration().task_history_retention_limit(), 7);
    EXPECT_EQ(swarm::from_duration(spec.ca_config().node_cert_expiry()), std::chrono::hours(100));
    EXPECT_EQ(swarm::from_duration(spec.dispatcher().heartbeat_period()), std::chrono::seconds(3));
    EXPECT_EQ(spec.raft().snapshot_interval(), 500u);
    EXPECT_EQ(spec.raft().keep_old_snapshots(), 2u);
    EXPECT_EQ(spec.raft().log_entries_for_slow_followers(), 500u); // the default
    EXPECT_EQ(spec.raft().election_tick(), 10u);
}

TEST(SwarmDocument, older_clients_have_no_pools_and_ports) {
    EXPECT_TRUE(parse_init_request(*parse_json(init_body), 138)->address_pools.empty());
    EXPECT_EQ(parse_init_request(*parse_json(init_body), 139)->data_path_port, 0u);
}

TEST(SwarmDocument, an_init_without_settings_has_dockers) {
    const auto request = parse_init_request(*parse_json("{}"), 151);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->spec.orchestration().task_history_retention_limit(), 5);
    EXPECT_EQ(swarm::from_duration(request->spec.ca_config().node_cert_expiry()),
              std::chrono::hours(2160));
}

TEST(SwarmDocument, a_join_request_is_understood) {
    const auto request = parse_join_request(*parse_json(join_body));
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->remote_addrs, std::vector<std::string>{"10.0.0.1:2377"});
    EXPECT_EQ(request->join_token, "SWMTKN-1-x");
    EXPECT_EQ(request->availability, pb::NodeSpec::PAUSE);
    EXPECT_FALSE(parse_join_request(*parse_json("{}")));
}

TEST(SwarmDocument, settings_come_back_as_they_were_sent) {
    const auto spec = parse_cluster_spec(*parse_json(update_body), default_cluster_spec());
    ASSERT_TRUE(spec) << spec.error().message;
    pb::Cluster cluster;
    *cluster.mutable_spec() = *spec;
    EXPECT_EQ(cluster_info_document(cluster, {})["Spec"].dump(), update_body);
}

TEST(SwarmDocument, what_is_left_out_of_an_update_has_dockers_default_but_for_what_is_ours) {
    pb::ClusterSpec base = default_cluster_spec();
    base.mutable_policy()->set_allow_privileged(true);
    base.mutable_orchestration()->set_task_history_retention_limit(1);
    base.mutable_encryption_config()->set_auto_lock_managers(true);
    const auto spec = parse_cluster_spec(Json::object(), base);
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->orchestration().task_history_retention_limit(), 5);
    EXPECT_FALSE(spec->encryption_config().auto_lock_managers());
    EXPECT_TRUE(spec->policy().allow_privileged());
    const auto ours = parse_cluster_spec(
        *parse_json(R"({"Policy":{"AllowPrivileged":false},"StoreTiming":{"HeartbeatMs":100}})"),
        base);
    ASSERT_TRUE(ours);
    EXPECT_FALSE(ours->policy().allow_privileged());
    EXPECT_EQ(ours->store_timing().heartbeat_ms(), 100u);
}

TEST(SwarmDocument, unknown_members_are_refused) {
    EXPECT_EQ(
        parse_init_request(*parse_json(R"({"Spec":{"Raft":{"Speed":1}}})"), 151).error().message,
        "Spec: Raft.Speed: unknown field");
    EXPECT_EQ(parse_unlock_request(*parse_json(R"({"Key":"x"})")).error().message,
              "Key: unknown field");
    EXPECT_EQ(*parse_unlock_request(*parse_json(R"({"UnlockKey":"x"})")), "x");
}

TEST(SwarmDocument, keys_are_never_shown) {
    pb::Cluster cluster;
    cluster.mutable_spec()->mutable_ca_config()->set_signing_ca_cert("CERT");
    cluster.mutable_spec()->mutable_ca_config()->set_signing_ca_key("SECRET");
    cluster.mutable_root_ca()->set_ca_key("SECRET");
    cluster.add_unlock_keys()->set_key("SECRET");
    cluster.mutable_root_ca()->mutable_join_tokens()->set_worker("W");
    cluster.add_defaultaddresspool("10.0.0.0/8");
    cluster.set_subnetsize(24);
    const auto text = swarm_document(cluster, {}).dump();
    EXPECT_EQ(text.find("SECRET"), std::string::npos);
    EXPECT_NE(text.find("CERT"), std::string::npos);
    EXPECT_NE(text.find(R"("JoinTokens":{"Worker":"W","Manager":""})"), std::string::npos);
    EXPECT_EQ(cluster_info_document(cluster, {}).dump().find("JoinTokens"), std::string::npos);
}

} // namespace
} // namespace shoal::api
