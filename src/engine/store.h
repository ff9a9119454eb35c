// Store: the node's state on disk, a JSON document per object, keyed by kind and id. It knows
// nothing of what the documents mean; each service reads all of its kind at start and writes one
// when it changes. Every call is one atomic transaction and takes tens of microseconds, so it runs
// on the loop.
#pragma once

#include "base/result.h"
#include "os/database.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shoal::engine {

class Store {
  public:
    /// Opens `path`, creating it. Fails: Unsupported when a newer release wrote it.
    static Result<Store> open(const std::string& path);

    Result<void> put(std::string_view kind, std::string_view id, std::string_view document);
    Result<void> remove(std::string_view kind, std::string_view id); ///< harmless when absent
    /// (id, document) of every object of the kind, by id.
    Result<std::vector<std::pair<std::string, std::string>>> load_all(std::string_view kind);

  private:
    explicit Store(os::Database database) : database_(std::move(database)) {}
    os::Database database_;
};

} // namespace shoal::engine
