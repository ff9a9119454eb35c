#include "swarm/ca/founding.h"

#include "swarm/ca/network_keys.h"
#include "swarm/ca/token.h"

namespace shoal::swarm {
namespace {

/// A user's, or a new one.
Result<Signer> first_root(const pb::CAConfig& ca, Instant now) {
    if (!ca.external_cas().empty()) {
        return unsupported("external certificate authorities are not supported (" +
                           ca.external_cas(0).url() + ")");
    }
    if (ca.signing_ca_cert().empty() && ca.signing_ca_key().empty()) { return make_root(now); }
    return check_root(ca.signing_ca_cert(), ca.signing_ca_key(), now);
}

void set_root(pb::RootCA& root, const Signer& signer) {
    root.set_ca_cert(signer.certificate);
    root.set_ca_key(signer.key);
    root.set_ca_cert_hash("sha256:" + root_digest_hex(signer.certificate));
}

} // namespace

void fill_defaults(pb::ClusterSpec& spec) {
    if (spec.annotations().name().empty()) { spec.mutable_annotations()->set_name("default"); }
    if (!spec.has_orchestration()) {
        spec.mutable_orchestration()->set_task_history_retention_limit(task_history_default);
    }
    auto& raft = *spec.mutable_raft();
    if (raft.snapshot_interval() == 0) { raft.set_snapshot_interval(10'000); }
    if (raft.log_entries_for_slow_followers() == 0) {
        raft.set_log_entries_for_slow_followers(500);
    }
    if (raft.heartbeat_tick() == 0) { raft.set_heartbeat_tick(1); }
    if (raft.election_tick() == 0) { raft.set_election_tick(10); }
    auto& dispatcher = *spec.mutable_dispatcher();
    if (from_duration(dispatcher.heartbeat_period()) <= nanoseconds(0)) {
        *dispatcher.mutable_heartbeat_period() = to_duration(heartbeat_period_default);
    }
    auto& ca = *spec.mutable_ca_config();
    if (from_duration(ca.node_cert_expiry()) <= nanoseconds(0)) {
        *ca.mutable_node_cert_expiry() = to_duration(node_life_default);
    }
    spec.mutable_encryption_config();
    spec.mutable_task_defaults();
}

Result<pb::Cluster> make_cluster(NewCluster wanted, Instant now, Random& random) {
    const auto port = wanted.data_path_port;
    if (port != 0 && (port < data_path_port_min || port > data_path_port_max)) {
        return invalid("Datapath port number is not in valid range (1024-49151)");
    }
    pb::Cluster cluster;
    cluster.set_id(std::move(wanted.id));
    *cluster.mutable_spec() = std::move(wanted.spec);
    fill_defaults(*cluster.mutable_spec());
    TRY_LET(root, first_root(cluster.spec().ca_config(), now));
    TRY_LET(store_root, make_root(now, "shoal-store-ca"));
    set_root(*cluster.mutable_root_ca(), root);
    cluster.mutable_root_ca()->set_store_ca_cert(store_root.certificate);
    cluster.mutable_root_ca()->set_store_ca_key(store_root.key);
    cluster.mutable_root_ca()->set_last_forced_rotation(cluster.spec().ca_config().force_rotate());
    renew_tokens(cluster, random);
    renew_unlock_key(cluster, random);
    renew_network_keys(cluster, random, now);
    for (auto& pool : wanted.default_address_pools) { cluster.add_defaultaddresspool(pool); }
    if (wanted.default_address_pools.empty()) {
        cluster.add_defaultaddresspool(std::string(address_pool_default));
    }
    cluster.set_subnetsize(wanted.subnet_size == 0 ? subnet_size_default : wanted.subnet_size);
    cluster.set_vxlanudpport(wanted.data_path_port == 0 ? data_path_port_default
                                                        : wanted.data_path_port);
    return cluster;
}

Result<FirstManager> make_first_manager(const pb::Cluster& cluster, const std::string& node_id,
                                        const std::vector<std::string>& store_hosts, Instant now) {
    TRY_LET(own, make_request());
    const auto life = from_duration(cluster.spec().ca_config().node_cert_expiry());
    TRY_LET(certificate,
            sign_node_certificate(signer_of(cluster), own.request,
                                  {node_id, cluster.id(), Role::Manager}, {now, life}));
    TRY_LET(store, make_request());
    TRY_LET(store_cert, issue_store_certificate(store_signer_of(cluster), store.request, node_id,
                                                store_hosts, now));
    FirstManager made;
    made.credentials = {certificate, own.key, trusted_roots(cluster)};
    made.store_ca_cert = cluster.root_ca().store_ca_cert();
    made.store_cert = std::move(store_cert);
    made.store_key = std::move(store.key);
    made.node.set_id(node_id);
    made.node.set_role(pb::MANAGER);
    made.node.mutable_spec()->set_desired_role(pb::MANAGER);
    made.node.mutable_spec()->set_membership(pb::NodeSpec::ACCEPTED);
    auto& held = *made.node.mutable_certificate();
    held.set_role(pb::MANAGER);
    held.set_csr(std::move(own.request));
    held.mutable_status()->set_state(pb::IssuanceStatus::ISSUED);
    held.set_certificate(std::move(certificate));
    held.set_cn(node_id);
    return made;
}

std::string unlock_key_of(const pb::Cluster& cluster) {
    for (const auto& key : cluster.unlock_keys()) {
        if (key.subsystem() == unlock_subsystem) { return key.key(); }
    }
    return "";
}

void renew_unlock_key(pb::Cluster& cluster, Random& random) {
    cluster.clear_unlock_keys();
    if (!cluster.spec().encryption_config().auto_lock_managers()) { return; }
    auto& key = *cluster.add_unlock_keys();
    key.set_subsystem(std::string(unlock_subsystem));
    key.set_key(make_unlock_key(random));
}

std::string make_token_for(const pb::Cluster& cluster, Random& random) {
    return make_join_token(root_digest(trusted_roots(cluster)), random);
}

void renew_tokens(pb::Cluster& cluster, Random& random) {
    auto& tokens = *cluster.mutable_root_ca()->mutable_join_tokens();
    tokens.set_worker(make_token_for(cluster, random));
    tokens.set_manager(make_token_for(cluster, random));
}

const std::string& trusted_roots(const pb::Cluster& cluster) { return cluster.root_ca().ca_cert(); }

Signer signer_of(const pb::Cluster& cluster) {
    const auto& root = cluster.root_ca();
    if (!root.has_root_rotation()) { return {root.ca_cert(), root.ca_key(), ""}; }
    const auto& rotation = root.root_rotation();
    return {rotation.ca_cert(), rotation.ca_key(), rotation.cross_signed_ca_cert()};
}

Signer store_signer_of(const pb::Cluster& cluster) {
    return {cluster.root_ca().store_ca_cert(), cluster.root_ca().store_ca_key(), ""};
}

} // namespace shoal::swarm
