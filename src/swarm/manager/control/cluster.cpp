#include "swarm/manager/control/cluster.h"

#include "base/text.h"
#include "base/time.h"
#include "swarm/manager/control/version.h"

namespace shoal::swarm {
namespace {

Result<void> check_ca(const pb::CAConfig& ca) {
    if (!ca.external_cas().empty()) {
        return unsupported("external certificate authorities are not supported (" +
                           ca.external_cas(0).url() + ")");
    }
    const auto life = from_duration(ca.node_cert_expiry());
    if (life != nanoseconds(0) && life < certificate_life_min) {
        return invalid("minimum certificate expiry time is: " +
                       format_duration(certificate_life_min));
    }
    if (ca.signing_ca_cert().empty() && !ca.signing_ca_key().empty()) {
        return invalid(
            "if a signing CA key is provided, the signing CA cert must also be provided");
    }
    return ok();
}

Result<void> check_dispatcher(const pb::DispatcherConfig& dispatcher) {
    const auto period = from_duration(dispatcher.heartbeat_period());
    if (period < nanoseconds(0)) {
        return invalid("heartbeat time period cannot be a negative duration");
    }
    if (period != nanoseconds(0) && period < heartbeat_period_min) {
        return invalid("heartbeat time period cannot be less than " +
                       format_duration(heartbeat_period_min));
    }
    return ok();
}

Result<void> check_raft(const pb::RaftConfig& raft) {
    if (raft.election_tick() == 0 && raft.heartbeat_tick() == 0) { return ok(); }
    if (raft.election_tick() > raft.heartbeat_tick()) { return ok(); }
    return invalid("election tick must be greater than heartbeat tick");
}

Result<void> check_timing(const pb::StoreTiming& timing) {
    if (timing.heartbeat_ms() == 0 && timing.election_ms() == 0) { return ok(); }
    const auto heartbeat = timing.heartbeat_ms() == 0 ? 50 : timing.heartbeat_ms();
    const auto election = timing.election_ms() == 0 ? 500 : timing.election_ms();
    if (heartbeat < 10 || heartbeat > 10'000 || election > 50'000 || election < 5 * heartbeat) {
        return invalid("StoreTiming: the heartbeat lies between 10 and 10000 ms, and the election "
                       "timeout between five heartbeats and 50000 ms");
    }
    return ok();
}

Result<void> check_name(const pb::ClusterSpec& spec) {
    const auto& name = spec.annotations().name();
    if (name.empty() || name == "default") { return ok(); }
    return invalid("swarm spec must be named \"default\"");
}

bool changes_root(const pb::CAConfig& before, const pb::CAConfig& after) {
    return before.signing_ca_cert() != after.signing_ca_cert() ||
           before.signing_ca_key() != after.signing_ca_key() ||
           before.force_rotate() != after.force_rotate();
}

/// What reads leave out is not a wish to remove it.
void keep_what_reads_hide(const pb::ClusterSpec& before, pb::ClusterSpec& after) {
    *after.mutable_annotations()->mutable_name() = before.annotations().name();
    const auto& old = before.ca_config();
    auto& ca = *after.mutable_ca_config();
    if (ca.signing_ca_key().empty() && ca.signing_ca_cert() == old.signing_ca_cert()) {
        ca.set_signing_ca_key(old.signing_ca_key());
    }
    if (!after.has_acceptance_policy() && before.has_acceptance_policy()) {
        *after.mutable_acceptance_policy() = before.acceptance_policy();
    }
}

Result<void> rotate_tokens(const UpdateCluster& options, const ClusterActions& actions,
                           pb::Cluster& cluster) {
    auto& tokens = *cluster.mutable_root_ca()->mutable_join_tokens();
    if (options.rotate_worker_token) {
        TRY_LET(token, actions.make_token(pb::WORKER, cluster));
        tokens.set_worker(token);
    }
    if (options.rotate_manager_token) {
        TRY_LET(token, actions.make_token(pb::MANAGER, cluster));
        tokens.set_manager(token);
    }
    return ok();
}

} // namespace

Result<void> check_cluster_spec(const pb::ClusterSpec& spec) {
    TRY(check_name(spec));
    TRY(check_ca(spec.ca_config()));
    TRY(check_dispatcher(spec.dispatcher()));
    TRY(check_raft(spec.raft()));
    return check_timing(spec.store_timing());
}

Result<ClusterPtr> update_cluster(Tx& tx, std::uint64_t version, pb::ClusterSpec spec,
                                  const UpdateCluster& options, const ClusterActions& actions) {
    const auto before = tx.store().cluster();
    if (!before) { return Error{Errc::NotFound, "cluster not found"}; }
    TRY(check_version(*before, version));
    keep_what_reads_hide(before->spec(), spec);
    TRY(check_cluster_spec(spec));
    auto after = *before;
    *after.mutable_spec() = std::move(spec);
    TRY(rotate_tokens(options, actions, after));
    const bool locks = after.spec().encryption_config().auto_lock_managers();
    const bool locked = before->spec().encryption_config().auto_lock_managers();
    if (options.rotate_unlock_key && !locks) {
        return invalid("the unlock key cannot be rotated: managers are not locked (autolock)");
    }
    if (locks != locked || options.rotate_unlock_key) {
        TRY(actions.change_unlock_key(tx, *before, after));
    }
    if (changes_root(before->spec().ca_config(), after.spec().ca_config())) {
        TRY(actions.change_root(tx, *before, after));
    }
    return tx.put(std::move(after));
}

} // namespace shoal::swarm
