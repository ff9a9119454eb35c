// Snapshots: once an hour a manager copies everything in the cluster's log into a file of its own,
// sealed with a key made from the cluster's data keys, and keeps the last day's. They need no
// passphrase and no attention, and are worth nothing without this cluster's managers' keys: they
// are no replacement for a back-up.
#pragma once

#include "swarm/store/backup.h"

namespace shoal::node {

inline constexpr std::size_t snapshots_kept = 24;
inline constexpr std::chrono::hours snapshot_every{1};
/// So much stays free on the disk: the log needs it more than we do.
inline constexpr std::int64_t snapshot_free_bytes_min = std::int64_t{512} << 20;

/// Whether it is time for another, with these files there. Pure.
bool is_snapshot_due(const std::vector<std::string>& file_names, Instant now);

/// Blocking: for a worker thread. The names in the folder; none when there is no such folder.
Result<std::vector<std::string>> snapshot_names(const std::string& folder);
/// Blocking. Writes one and removes what is more than is kept. Fails: Exhausted when the disk has
/// too little room, and nothing is written then.
Result<void> write_snapshot(const std::string& folder, swarm::Backup backup,
                            const swarm::SecretKey& key);

} // namespace shoal::node
