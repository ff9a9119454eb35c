#include "engine/store.h"

#include "base/text.h"

namespace shoal::engine {
namespace {

constexpr int schema_version = 1;

Result<int> version_of(os::Database& database) {
    int version = 0;
    const auto take = [&](const std::vector<std::string_view>& columns) {
        version = parse_number<int>(columns[0]).value_or(-1);
    };
    TRY(database.query("PRAGMA user_version", {}, take));
    return version;
}

} // namespace

Result<Store> Store::open(const std::string& path) {
    TRY_LET(database, os::Database::open(path));
    TRY_LET(version, version_of(database));
    if (version > schema_version) {
        return unsupported(path + ": written by a newer release (schema " +
                           std::to_string(version) + ")");
    }
    if (version < schema_version) {
        TRY(database.execute(
            "CREATE TABLE IF NOT EXISTS objects (kind TEXT NOT NULL, id TEXT NOT NULL, "
            "document TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID; "
            "PRAGMA user_version=" +
            std::to_string(schema_version)));
    }
    return Store(std::move(database));
}

Result<void> Store::put(std::string_view kind, std::string_view id, std::string_view document) {
    return database_
        .query(
            "INSERT INTO objects VALUES (?1, ?2, ?3) ON CONFLICT (kind, id) DO UPDATE SET document=?3",
            {kind, id, document})
        .with("save " + std::string(kind));
}

Result<void> Store::remove(std::string_view kind, std::string_view id) {
    return database_.query("DELETE FROM objects WHERE kind=?1 AND id=?2", {kind, id})
        .with("remove " + std::string(kind));
}

Result<std::vector<std::pair<std::string, std::string>>> Store::load_all(std::string_view kind) {
    std::vector<std::pair<std::string, std::string>> all;
    const auto take = [&](const std::vector<std::string_view>& columns) {
        all.emplace_back(columns[0], columns[1]);
    };
    TRY(database_.query("SELECT id, document FROM objects WHERE kind=?1 ORDER BY id", {kind},
                        take));
    return all;
}

} // namespace shoal::engine
