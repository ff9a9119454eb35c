// Log: the replicated log under the cluster's state, as a manager's process sees it: keys with
// values, transactions guarded by revisions, a watch, and its own membership. store/etcd_log.h is
// the real one, store/fake_log.h the simulator's; both pass the same tests (store/log_test.cpp). It
// knows nothing of objects: values are sealed bytes.
#pragma once

#include "base/result.h"
#include "net/task.h"
#include "net/until.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shoal::swarm {

struct LogEntry {
    std::string key;
    std::string value;
    std::int64_t revision = 0; ///< of its last write
};

/// Holds only when the key's last write has this revision; 0: when the key does not exist.
struct LogGuard {
    std::string key;
    std::int64_t revision = 0;
};
struct LogWrite {
    std::string key;
    std::optional<std::string> value; ///< nothing deletes
};
struct LogTxn {
    std::vector<LogGuard> guards;
    std::vector<LogWrite> writes;
};
inline constexpr std::size_t log_writes_max = 4096; ///< of one transaction
inline constexpr std::size_t log_guards_max = 8192;
/// Keys and values together; a gRPC message of 16 MiB has room for them.
inline constexpr std::size_t log_txn_bytes_max = 15 << 20;
/// Invalid when it is larger than that, has an empty key, or writes a key twice.
Result<void> check_txn(const LogTxn& txn);

struct LogCommit {
    bool applied = false; ///< false: a guard did not hold, and nothing was written
    std::int64_t revision = 0;
};

struct LogMember {
    std::string id; ///< hexadecimal
    std::string name;
    std::string peer_url;
    bool learner = false;
};
struct LogStatus {
    std::string member_id; ///< this process's own
    std::string leader_id; ///< "" when there is none
    std::uint64_t term = 0;
    std::int64_t database_bytes = 0; ///< of its file
    std::int64_t in_use_bytes = 0;   ///< of those; the rest is free for what comes
    bool learner = false;
    std::vector<std::string> alarms; ///< "NOSPACE", "CORRUPT", of any member
    bool leads() const { return !leader_id.empty() && leader_id == member_id; }
};

struct LogEvents {
    std::int64_t revision = 0;
    struct Event {
        std::string key;
        std::optional<std::string> value; ///< nothing: deleted
        std::int64_t revision = 0;
    };
    std::vector<Event> events; ///< in order; those of one transaction are never torn apart
};
class LogWatch {
  public:
    virtual ~LogWatch() = default;
    /// The next events. Fails: NotFound when the revision has been compacted away (list again);
    /// Timeout and Cancelled by `until`, after which it may be read on; anything else: the
    /// connection is lost, watch again.
    virtual net::Task<Result<LogEvents>> read(net::Until until) = 0;
};

class Log {
  public:
    virtual ~Log() = default;

    /// Linearizable. Fails: Unavailable and Invalid when it surely was not written; Exhausted when
    /// the log is out of space (the first that is told so may have been written even then);
    /// Timeout, Cancelled and Internal when nobody knows whether it was. `revision` is the log's
    /// afterwards: with `applied` and something written, that of the writes.
    virtual net::Task<Result<LogCommit>> commit(LogTxn txn, net::Until until) = 0;
    // Reads fail with Unavailable when there is no quorum, and on a learner.
    /// All entries whose keys begin so, in order of keys, as of one revision; linearizable.
    struct Listing {
        std::vector<LogEntry> entries;
        std::int64_t revision = 0;
    };
    virtual net::Task<Result<Listing>> list(std::string prefix, net::Until until) = 0;
    /// Nothing when there is no such key; linearizable.
    virtual net::Task<Result<std::optional<LogEntry>>> get(std::string key, net::Until until) = 0;
    /// What is written to keys that begin so, from `revision` (> 0) on (inclusive). Goes on, and is
    /// silent, while there is no quorum.
    virtual net::Task<Result<std::unique_ptr<LogWatch>>>
    watch(std::string prefix, std::int64_t revision, net::Until until) = 0;
    virtual net::Task<Result<LogStatus>> status(net::Until until) = 0;

    // Membership. Everywhere Unavailable: not now (no quorum, a member that is away, not caught up
    // yet), try again.
    virtual net::Task<Result<std::vector<LogMember>>> members(net::Until until) = 0;
    /// Its name is "" until it runs. Conflict: that address is a member already. Unavailable also
    /// when there is another learner: one at a time.
    virtual net::Task<Result<LogMember>> add_learner(std::string peer_url, net::Until until) = 0;
    /// Success when it has a vote already.
    virtual net::Task<Result<void>> promote(std::string member_id, net::Until until) = 0;
    /// Where the others reach that member from now on. NotFound: there is none; Conflict: that
    /// address is another's.
    virtual net::Task<Result<void>> set_peer_url(std::string member_id, std::string peer_url,
                                                 net::Until until) = 0;
    /// NotFound: no such member (any more).
    virtual net::Task<Result<void>> remove(std::string member_id, net::Until until) = 0;
    /// Only the leader may give it away: Conflict elsewhere. Invalid: no voter has that id.
    virtual net::Task<Result<void>> move_leader(std::string member_id, net::Until until) = 0;

    /// A consistent copy of everything, in pieces to `take`, which may fail and so end it.
    virtual net::Task<Result<void>> snapshot(std::function<Result<void>(std::string_view)> take,
                                             net::Until until) = 0;
};

} // namespace shoal::swarm
