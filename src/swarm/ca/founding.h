// What a new cluster begins with: the cluster object with its roots, tokens, keys and defaults, and
// the first manager with its certificates. Functions of time and randomness; the objects are put
// into the store by whoever starts it.
#pragma once

#include "swarm/ca/certificate.h"
#include "swarm/ca/key_file.h"
#include "swarm/model/object.h"

namespace shoal::swarm {

struct NewCluster {
    std::string id;
    pb::ClusterSpec spec; ///< what is left out gets its default
    std::vector<std::string> default_address_pools;
    std::uint32_t subnet_size = 0;
    std::uint32_t data_path_port = 0;
};
/// A signing certificate and key in the spec become the root. Fails: Invalid for those that are
/// none; Unsupported for external authorities.
Result<pb::Cluster> make_cluster(NewCluster wanted, Instant now, Random& random);

struct FirstManager {
    pb::Node node;
    NodeCredentials credentials;
    std::string store_ca_cert; ///< PEM, for the log's own traffic
    std::string store_cert;
    std::string store_key;
};
/// `store_hosts`: where other members of the log reach this one.
Result<FirstManager> make_first_manager(const pb::Cluster& cluster, const std::string& node_id,
                                        const std::vector<std::string>& store_hosts, Instant now);

// Defaults of the public protocol.
inline constexpr std::int64_t task_history_default = 5;
inline constexpr std::chrono::seconds heartbeat_period_default{5};
inline constexpr std::uint32_t subnet_size_default = 24;
inline constexpr std::uint32_t data_path_port_default = 4789;
inline constexpr std::uint32_t data_path_port_min = 1024;
inline constexpr std::uint32_t data_path_port_max = 49151;
inline constexpr std::string_view address_pool_default = "10.0.0.0/8";
/// Sets what is not given.
void fill_defaults(pb::ClusterSpec& spec);

/// Whose key opens managers that are locked, in Cluster.unlock_keys.
inline constexpr std::string_view unlock_subsystem = "swarm-manager";
/// Raw bytes; "" when managers are not locked.
std::string unlock_key_of(const pb::Cluster& cluster);
/// A new key, or none when the spec does not lock.
void renew_unlock_key(pb::Cluster& cluster, Random& random);

/// For the root that nodes trust now.
std::string make_token_for(const pb::Cluster& cluster, Random& random);
void renew_tokens(pb::Cluster& cluster, Random& random); ///< both

/// What every node trusts, byte for byte: during a rotation still the old root, behind which the
/// new one's certificates stand too.
const std::string& trusted_roots(const pb::Cluster& cluster);
/// What signs now: during a rotation the new root, with its cross-signed certificate.
Signer signer_of(const pb::Cluster& cluster);
Signer store_signer_of(const pb::Cluster& cluster);

} // namespace shoal::swarm
