// FakeHistory: what a replicated log holds, with the past that watches need: versions of keys by
// revision, transactions, compaction. Pure and without time; store/fake_log.h puts a cluster around
// it.
#pragma once

#include "swarm/store/log.h"

#include <map>

namespace shoal::swarm {

class FakeHistory {
  public:
    /// Applies it unless a guard does not hold. Deleting what is not there changes nothing.
    LogCommit apply(const LogTxn& txn);
    std::int64_t revision() const { return revision_; }
    /// Watches from before `at` are told NotFound, and only the last of each key is kept of that.
    void compact(std::int64_t at);
    std::int64_t compacted() const { return compacted_; }
    /// As if nothing after `at` had ever been written.
    void roll_back(std::int64_t at);

    std::optional<LogEntry> get(std::string_view key, std::int64_t at) const;
    std::vector<LogEntry> list(std::string_view prefix, std::int64_t at) const;
    /// What was written to keys of that prefix from one revision to another, both inclusive, of at
    /// most so many revisions.
    struct Range {
        std::int64_t from = 0;
        std::int64_t to = 0;
        std::size_t revisions_max = 0;
    };
    LogEvents events(std::string_view prefix, Range range) const;
    std::int64_t bytes() const { return bytes_; } ///< grows until compaction

  private:
    struct Version {
        std::int64_t revision = 0;
        std::optional<std::string> value;
    };
    const Version* version_at(const std::vector<Version>& all, std::int64_t at) const;
    bool holds(const LogGuard& guard) const;
    bool write(const LogWrite& write, std::int64_t revision);
    void count_bytes();

    std::int64_t revision_ = 1;
    std::int64_t compacted_ = 0;
    std::int64_t bytes_ = 0;
    std::map<std::string, std::vector<Version>, std::less<>> keys_;
    std::map<std::int64_t, std::vector<LogEvents::Event>> events_;
};

} // namespace shoal::swarm
