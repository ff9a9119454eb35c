#include "api/swarm_document.h"

#include "api/node_document.h"
#include "api/object_document.h"
#include "api/service_codec.h"

namespace docker::swarmkit::v1 {
namespace {

const Words<ExternalCA::CAProtocol> authority_protocols{{ExternalCA::CFSSL, "cfssl"}};

} // namespace

template <class V> void describe(V& v, ExternalCA& e) {
    MESSAGE_WORD(v, e, "Protocol", protocol, authority_protocols, ExternalCA::CFSSL, keep);
    MESSAGE_VALUE(v, e, "URL", url, keep);
    member::labels(v, "Options", *e.mutable_options());
    MESSAGE_VALUE(v, e, "CACert", ca_cert, keep);
}
/// A number that may be left out, which is not 0.
template <class V, class T, class Set>
void describe_given(V& v, const char* name, T current, Set set) {
    std::optional<T> given;
    if constexpr (!V::reading) { given = current; }
    v(name, given, codec::keep);
    if constexpr (V::reading) {
        if (given) { set(*given); }
    }
}
/// A number of which 0 means that it was left out.
template <class V, class T, class Set>
void describe_nonzero(V& v, const char* name, T current, codec::Empty empty, Set set) {
    T number = V::reading ? T{} : current;
    v(name, number, empty);
    if constexpr (V::reading) {
        if (number != T{}) { set(number); }
    }
}
template <class V, class Get>
void nanoseconds_or_nothing(V& v, const char* name, bool present, Get get) {
    std::int64_t count = 0;
    if constexpr (!V::reading) {
        if (present) { count = ::shoal::swarm::from_duration(*get()).count(); }
    }
    v(name, count, codec::omit);
    if constexpr (V::reading) {
        if (count != 0) { *get() = ::shoal::swarm::to_duration(std::chrono::nanoseconds(count)); }
    }
}

template <class V> void describe(V& v, OrchestrationConfig& o) {
    describe_given(v, "TaskHistoryRetentionLimit", o.task_history_retention_limit(),
                   [&](std::int64_t given) { o.set_task_history_retention_limit(given); });
}
template <class V> void describe(V& v, RaftConfig& r) {
    describe_nonzero(v, "SnapshotInterval", r.snapshot_interval(), codec::omit,
                     [&](std::uint64_t given) { r.set_snapshot_interval(given); });
    describe_given(v, "KeepOldSnapshots", r.keep_old_snapshots(),
                   [&](std::uint64_t given) { r.set_keep_old_snapshots(given); });
    describe_nonzero(v, "LogEntriesForSlowFollowers", r.log_entries_for_slow_followers(),
                     codec::omit,
                     [&](std::uint64_t given) { r.set_log_entries_for_slow_followers(given); });
    describe_nonzero(v, "ElectionTick", r.election_tick(), codec::keep,
                     [&](std::uint32_t given) { r.set_election_tick(given); });
    describe_nonzero(v, "HeartbeatTick", r.heartbeat_tick(), codec::keep,
                     [&](std::uint32_t given) { r.set_heartbeat_tick(given); });
}
template <class V> void describe(V& v, DispatcherConfig& d) {
    nanoseconds_or_nothing(v, "HeartbeatPeriod", d.has_heartbeat_period(),
                           [&] { return d.mutable_heartbeat_period(); });
}
template <class V> void describe(V& v, CAConfig& c) {
    nanoseconds_or_nothing(v, "NodeCertExpiry", c.has_node_cert_expiry(),
                           [&] { return c.mutable_node_cert_expiry(); });
    member::list(v, "ExternalCAs", *c.mutable_external_cas());
    MESSAGE_VALUE(v, c, "SigningCACert", signing_ca_cert, omit);
    MESSAGE_VALUE(v, c, "SigningCAKey", signing_ca_key, omit);
    MESSAGE_VALUE(v, c, "ForceRotate", force_rotate, omit);
}
template <class V> void describe(V& v, TaskDefaults& t) {
    MESSAGE_PART(v, t, "LogDriver", log_driver);
}
template <class V> void describe(V& v, EncryptionConfig& e) {
    MESSAGE_VALUE(v, e, "AutoLockManagers", auto_lock_managers, keep);
}
template <class V> void describe(V& v, ClusterPolicy& p) {
    MESSAGE_VALUE(v, p, "AllowPrivileged", allow_privileged, keep);
}
template <class V> void describe(V& v, StoreTiming& t) {
    MESSAGE_VALUE(v, t, "HeartbeatMs", heartbeat_ms, keep);
    MESSAGE_VALUE(v, t, "ElectionMs", election_ms, keep);
}
template <class V> void describe(V& v, ClusterSpec& c) {
    describe(v, *c.mutable_annotations());
    MESSAGE_STRUCT(v, c, "Orchestration", orchestration);
    MESSAGE_STRUCT(v, c, "Raft", raft);
    MESSAGE_STRUCT(v, c, "Dispatcher", dispatcher);
    MESSAGE_STRUCT(v, c, "CAConfig", ca_config);
    MESSAGE_STRUCT(v, c, "TaskDefaults", task_defaults);
    MESSAGE_STRUCT(v, c, "EncryptionConfig", encryption_config);
    MESSAGE_PART(v, c, "Policy", policy);
    MESSAGE_PART(v, c, "StoreTiming", store_timing);
}

} // namespace docker::swarmkit::v1

namespace shoal::api {
namespace pb = swarm::pb;
namespace {

const Words<pb::NodeSpec::Availability> availabilities{{pb::NodeSpec::ACTIVE, "active"},
                                                       {pb::NodeSpec::PAUSE, "pause"},
                                                       {pb::NodeSpec::DRAIN, "drain"}};

Result<void> read_object(const Json& body, auto describe_members) {
    if (!body.is_object()) { return codec::detail::mismatch("", "an object", body); }
    codec::Reader reader(body, "", codec::Unknown::Refuse);
    describe_members(reader);
    return reader.finish();
}

void read_availability(codec::Reader& v, pb::NodeSpec::Availability& availability) {
    member::word(v, "Availability", availabilities, availability, pb::NodeSpec::ACTIVE, codec::omit,
                 member::Case::Any, [&](auto given) { availability = given; });
}

pb::ClusterSpec with_defaults(const pb::ClusterSpec& base) {
    auto spec = default_cluster_spec();
    spec.mutable_annotations()->set_name(base.annotations().name());
    if (base.has_policy()) { *spec.mutable_policy() = base.policy(); }
    if (base.has_store_timing()) { *spec.mutable_store_timing() = base.store_timing(); }
    return spec;
}

} // namespace

pb::ClusterSpec default_cluster_spec() {
    using namespace std::chrono_literals;
    pb::ClusterSpec spec;
    spec.mutable_annotations()->set_name("default");
    spec.mutable_orchestration()->set_task_history_retention_limit(5);
    auto& raft = *spec.mutable_raft();
    raft.set_snapshot_interval(10'000);
    raft.set_log_entries_for_slow_followers(500);
    raft.set_heartbeat_tick(1);
    raft.set_election_tick(10);
    *spec.mutable_dispatcher()->mutable_heartbeat_period() = swarm::to_duration(5s);
    *spec.mutable_ca_config()->mutable_node_cert_expiry() = swarm::to_duration(2160h);
    spec.mutable_encryption_config();
    spec.mutable_task_defaults();
    return spec;
}

Result<pb::ClusterSpec> parse_cluster_spec(const Json& body, const pb::ClusterSpec& base) {
    auto spec = with_defaults(base);
    auto& annotations = *spec.mutable_annotations();
    const std::string name = annotations.name();
    TRY(read_object(body, [&](codec::Reader& v) { describe(v, spec); }));
    if (annotations.name().empty()) { annotations.set_name(name); }
    return spec;
}

Result<swarm::InitRequest> parse_init_request(const Json& body, int version) {
    swarm::InitRequest request;
    Json spec = Json::object();
    bool lock = false;
    TRY(read_object(body, [&](codec::Reader& v) {
        v("ListenAddr", request.listen_addr);
        v("AdvertiseAddr", request.advertise_addr);
        v("DataPathAddr", request.data_path_addr);
        v("DataPathPort", request.data_path_port);
        v("ForceNewCluster", request.force_new_cluster);
        v("Spec", spec);
        v("AutoLockManagers", lock);
        read_availability(v, request.availability);
        v("DefaultAddrPool", request.address_pools);
        v("SubnetSize", request.subnet_size);
    }));
    if (version < 139) {
        request.address_pools.clear();
        request.subnet_size = 0;
    }
    if (version < 140) { request.data_path_port = 0; }
    TRY_LET(cluster, parse_cluster_spec(spec, default_cluster_spec()).with("Spec"));
    request.spec = std::move(cluster);
    if (lock) { request.spec.mutable_encryption_config()->set_auto_lock_managers(true); }
    return request;
}

Result<swarm::JoinRequest> parse_join_request(const Json& body) {
    swarm::JoinRequest request;
    TRY(read_object(body, [&](codec::Reader& v) {
        v("ListenAddr", request.listen_addr);
        v("AdvertiseAddr", request.advertise_addr);
        v("DataPathAddr", request.data_path_addr);
        v("RemoteAddrs", request.remote_addrs);
        v("JoinToken", request.join_token);
        read_availability(v, request.availability);
    }));
    if (request.remote_addrs.empty()) {
        return invalid("at least 1 RemoteAddr is required to join");
    }
    return request;
}

Result<std::string> parse_unlock_request(const Json& body) {
    std::string key;
    TRY(read_object(body, [&](codec::Reader& v) { v("UnlockKey", key); }));
    return key;
}

Json cluster_info_document(const pb::Cluster& cluster, const pb::NodeTLSInfo& tls) {
    auto document = object_document(cluster);
    auto spec = cluster.spec();
    spec.mutable_ca_config()->clear_signing_ca_key();
    document["Spec"] = json_of(std::move(spec));
    document["TLSInfo"] = tls_document(tls);
    document["RootRotationInProgress"] = cluster.root_ca().has_root_rotation();
    const auto& pools = cluster.defaultaddresspool();
    document["DefaultAddrPool"] = std::vector<std::string>(pools.begin(), pools.end());
    document["SubnetSize"] = cluster.subnetsize();
    document["DataPathPort"] = cluster.vxlanudpport();
    return document;
}

Json swarm_document(const pb::Cluster& cluster, const pb::NodeTLSInfo& tls) {
    auto document = cluster_info_document(cluster, tls);
    const auto& tokens = cluster.root_ca().join_tokens();
    document["JoinTokens"] = Json{{"Worker", tokens.worker()}, {"Manager", tokens.manager()}};
    return document;
}

} // namespace shoal::api
