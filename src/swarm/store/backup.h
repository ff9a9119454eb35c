// A back-up of a cluster as bytes: everything in the log at one revision and what is needed to read
// it (the data keys, the root's key: bytes given by the caller), encrypted and authenticated under
// a passphrase or a key. Pure, but for restoring into an empty log; files and schedules are the
// caller's.
//
// Layout: "SHOALBAK", format (2 bytes), how it is locked (kind, log2 n, r, p; 1 byte each), salt
// (16), check (16); then chunks: last or not (1), length (4), AES-256-GCM of at most 256 KiB under
// the number of the chunk. Numbers are big end first. What the chunks hold together: see
// backup.cpp.
#pragma once

#include "swarm/store/aead.h"
#include "swarm/store/log.h"

#include <functional>
#include <variant>

namespace shoal::swarm {

struct BackupInfo {
    std::string id; ///< random; made by write_backup() when empty
    std::string cluster_id;
    std::string made_by; ///< program and version, for people
    Instant created;
    std::int64_t revision = 0;
};
struct Backup {
    BackupInfo info;
    std::string secrets; ///< the caller's: data keys, keys of the root
    std::vector<LogEntry> entries;
};

/// What opens it: people's passphrase, or a key (of automatic back-ups).
using BackupLock = std::variant<std::string, SecretKey>;
inline constexpr std::size_t passphrase_bytes_min = 8;

using TakeBytes = std::function<Result<void>(std::string_view)>;
/// To `take` in pieces. With a passphrase it takes a tenth of a second: not on the loop. Invalid: a
/// passphrase that is too short.
Result<void> write_backup(Backup backup, const BackupLock& lock, Random& random,
                          const TakeBytes& take, ScryptCost cost = {});
/// Unauthorized: another passphrase or key. Unsupported: made by a newer version. Invalid: no
/// back-up, cut off, or damaged; the message says which.
Result<Backup> read_backup(std::string_view bytes, const BackupLock& lock);

/// Everything of `backup` into a log that has nothing under `prefix`, in several transactions;
/// gives the last revision. After a failure the same back-up may be restored again, and goes on
/// where it was. Conflict: there is something else. Keys in `leave_out` are not written.
struct RestoreOptions {
    std::string prefix = "/shoal/";
    std::vector<std::string> leave_out;
};
net::Task<Result<std::int64_t>> restore_backup(Log& log, Backup backup, RestoreOptions options,
                                               net::Until until);

// Automatic back-ups on this machine, as files of one folder.
/// "swarm-2026-11-26T16-39-00Z-r1234.backup"
std::string backup_file_name(Instant created, std::int64_t revision);
/// When it was made, if the name is one of those.
std::optional<Instant> backup_time_of(std::string_view file_name);
/// Which of these files to remove so that the newest `keep` (> 0) stay; others' files are not
/// looked at.
std::vector<std::string> plan_backup_removal(const std::vector<std::string>& file_names,
                                             std::size_t keep);

} // namespace shoal::swarm
