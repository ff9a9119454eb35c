// Database: one SQLite file, opened by one thread. It is a thin owner of the connection and its
// statements, not a mapper: the engine's store is its only user. WAL mode, so that a killed process
// loses nothing it was told is done.
#pragma once

#include "base/result.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::os {

class Database {
  public:
    /// Opens or creates `path`. Fails: Exhausted (disk full), Internal ("… is not a database").
    static Result<Database> open(const std::string& path);
    Database(Database&&) noexcept;
    Database& operator=(Database&&) noexcept;
    ~Database();

    /// Runs SQL without parameters: schema, pragmas.
    Result<void> execute(const std::string& sql);
    /// Runs one statement with text parameters; `row` (optional) gets each result row as text
    /// columns. The statement is prepared once and kept.
    using Row = std::function<void(const std::vector<std::string_view>&)>;
    Result<void> query(const std::string& sql, const std::vector<std::string_view>& parameters,
                       const Row& row = {});

  private:
    struct State;
    explicit Database(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace shoal::os
