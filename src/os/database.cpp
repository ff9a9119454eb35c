#include "os/database.h"

#include <sqlite3.h>

#include <map>

namespace shoal::os {

struct Database::State {
    std::string path;
    sqlite3* connection = nullptr;
    std::map<std::string, sqlite3_stmt*> statements;

    ~State() {
        for (auto& [sql, statement] : statements) { sqlite3_finalize(statement); }
        sqlite3_close(connection);
    }
    Error error(int code) const {
        const std::string message = path + ": " + sqlite3_errmsg(connection);
        const int primary = code & 0xff;
        if (primary == SQLITE_FULL) { return {Errc::Exhausted, message, ENOSPC}; }
        if (primary == SQLITE_READONLY || primary == SQLITE_BUSY) {
            return {Errc::Unavailable, message};
        }
        return internal(message);
    }
};

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::string& path) {
    auto state = std::make_unique<State>();
    state->path = path;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(path.c_str(), &state->connection, flags, nullptr);
    if (code != SQLITE_OK) { return state->error(code); }
    sqlite3_busy_timeout(state->connection, 2000);
    Database database(std::move(state));
    TRY(database.execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-256;"));
    return database;
}

Result<void> Database::execute(const std::string& sql) {
    const int code = sqlite3_exec(state_->connection, sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) { return state_->error(code); }
    return ok();
}

Result<void> Database::query(const std::string& sql,
                             const std::vector<std::string_view>& parameters, const Row& row) {
    sqlite3_stmt*& statement = state_->statements[sql];
    if (statement == nullptr) {
        const int code =
            sqlite3_prepare_v2(state_->connection, sql.c_str(), -1, &statement, nullptr);
        if (code != SQLITE_OK) { return state_->error(code); }
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        sqlite3_bind_text(statement, static_cast<int>(i + 1), parameters[i].data(),
                          static_cast<int>(parameters[i].size()), SQLITE_STATIC);
    }
    int code = sqlite3_step(statement);
    for (; code == SQLITE_ROW; code = sqlite3_step(statement)) {
        std::vector<std::string_view> columns;
        for (int i = 0; i < sqlite3_column_count(statement); ++i) {
            const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
            columns.emplace_back(text == nullptr ? "" : text, sqlite3_column_bytes(statement, i));
        }
        if (row) { row(columns); }
    }
    Result<void> outcome = code == SQLITE_DONE ? ok() : Result<void>(state_->error(code));
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return outcome;
}

} // namespace shoal::os
