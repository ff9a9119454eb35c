// What etcd is told: its settings as command line and environment, and what its last words mean
// when it has ended. Pure; store/etcd_process.h acts.
#pragma once

#include "swarm/store/log.h"

#include <chrono>

namespace shoal::swarm {

struct EtcdPeerTls {
    std::string certificate_path; ///< for both roles; etcd reads them anew for every connection
    std::string key_path;
    std::string trust_path;       ///< who signs peers: managers only
    std::string allowed_hostname; ///< "": any that the trusted sign
};

struct EtcdSettings {
    std::string program = "etcd"; ///< looked up in PATH when it has no slash
    std::string folder;           ///< all of it, 0700: data/, run/, etcd.log, etcd.pid
    std::string name;             ///< of this member, unique: the node's id
    std::string cluster_token;    ///< of a cluster that begins; "": the first member's name
    std::string peer_listen_url;  ///< "https://10.0.0.1:2378"
    std::string peer_url;         ///< how the others reach it
    std::optional<EtcdPeerTls> peer_tls;

    /// About one round trip between managers, and ten times that.
    std::chrono::milliseconds heartbeat{50};
    std::chrono::milliseconds election{500};
    std::int64_t quota_bytes = std::int64_t{2} << 30; ///< of the database; then it takes no more
    std::int64_t kept_revisions = 1000;               ///< history for watches that lag
    std::int64_t snapshot_count = 2000; ///< entries; these and 5000 more stay in memory
    std::int64_t memory_soft_bytes = std::int64_t{512} << 20; ///< garbage is collected harder there
    std::int64_t log_bytes_max = 4 << 20;

    std::string data_folder() const { return folder + "/data"; }
    std::string run_folder() const { return folder + "/run"; }
    std::string log_path() const { return folder + "/etcd.log"; }
    std::string pid_path() const { return folder + "/etcd.pid"; }
    std::string marker_path() const { return folder + "/has-been-member"; }
    std::string socket_path() const { return run_folder() + "/client:1"; }
};

/// How a member begins.
struct EtcdStart {
    enum class Kind {
        Resume,    ///< it has data
        Bootstrap, ///< the first of a new cluster
        Join,      ///< has been added by another: `members` are all of them, this one too
        ForceNew,  ///< it has data, and becomes the only member; the others are forgotten
    };
    Kind kind = Kind::Resume;
    std::vector<LogMember> members;
};

std::vector<std::string> etcd_arguments(const EtcdSettings& settings, const EtcdStart& start);
std::vector<std::string> etcd_environment(const EtcdSettings& settings);
/// Whether a process with these arguments does what one with `wanted` would; how it once began
/// does not matter, unless it was by force.
bool same_etcd(const std::vector<std::string>& running, const std::vector<std::string>& wanted);

/// Why it ended, and what to do.
struct EtcdEnd {
    enum class Kind {
        Other,
        Damaged, ///< its files; another start will not help
        Removed, ///< from the cluster by the others; for good
        AddressInUse,
        NoSpace, ///< on the disk
    };
    Kind kind = Kind::Other;
    Error error;
};
/// `log` is what it wrote since its start.
EtcdEnd diagnose_etcd(std::string_view log, const EtcdSettings& settings);
Error etcd_damaged(std::string_view what, const EtcdSettings& settings);

/// How long to wait after so many failures in a row (from 1 on).
std::chrono::milliseconds etcd_back_off(int failures);

} // namespace shoal::swarm
