#include "node/snapshots.h"

#include "os/clock.h"
#include "os/file.h"

namespace shoal::node {
namespace {

constexpr mode_t folder_mode = 0700;
constexpr mode_t file_mode = 0600;

Result<void> check_room(const std::string& folder, std::size_t bytes) {
    TRY_LET(disk, os::stat_file_system(folder));
    const auto wanted = snapshot_free_bytes_min + static_cast<std::int64_t>(bytes);
    if (disk.free_bytes >= wanted) { return ok(); }
    return Error{Errc::Exhausted, "snapshot of the swarm: too little room in " + folder};
}

} // namespace

bool is_snapshot_due(const std::vector<std::string>& file_names, Instant now) {
    std::optional<Instant> newest;
    for (const auto& name : file_names) {
        const auto made = swarm::backup_time_of(name);
        if (made && (!newest || *made > *newest)) { newest = made; }
    }
    return !newest || *newest > now || now - *newest >= snapshot_every; // clocks are set back
}

Result<std::vector<std::string>> snapshot_names(const std::string& folder) {
    auto entries = os::list_directory(folder);
    std::vector<std::string> names;
    if (!entries && entries.error().code == Errc::NotFound) { return names; }
    if (!entries) { return std::move(entries).error(); }
    for (const auto& entry : *entries) { names.push_back(entry.name); }
    return names;
}

Result<void> write_snapshot(const std::string& folder, swarm::Backup backup,
                            const swarm::SecretKey& key) {
    TRY(os::ensure_directory(folder, folder_mode));
    const auto name = swarm::backup_file_name(backup.info.created, backup.info.revision);
    os::SystemRandom random;
    std::string bytes;
    const auto take = [&bytes](std::string_view piece) {
        bytes += piece;
        return ok();
    };
    TRY(swarm::write_backup(std::move(backup), swarm::BackupLock(key), random, take));
    TRY(check_room(folder, bytes.size()));
    os::WriteFile how;
    how.mode = file_mode;
    how.sync = os::Sync::Yes;
    TRY(os::write_file_atomic(folder + "/" + name, bytes, how));
    TRY_LET(names, snapshot_names(folder));
    ErrorList errors;
    for (const auto& old : swarm::plan_backup_removal(names, snapshots_kept)) {
        errors.add(os::remove_file(folder + "/" + old));
    }
    if (!errors.empty()) { return errors.joined(); }
    return ok();
}

} // namespace shoal::node
