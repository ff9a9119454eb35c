// What the pull-through cache holds, and what of it has to go: what nobody has read for its
// upstream's time, and the least recently read when all of it is more than the settings allow. It
// looks at the files of cache_files.h and at nothing that a running cache knows, so that commands
// can do it beside one. Blocking.
#pragma once

#include "registry/server/cache.h"

#include <functional>
#include <set>

namespace shoal::registry::cache_upkeep {

enum class Kind { Manifest, Blob, Tag };

/// One file with all its names.
struct Kept {
    Kind kind = Kind::Blob;
    std::string item; ///< the file's name: "sha256-…" or a tag
    std::int64_t bytes = 0;
    Instant read;
    std::vector<std::string> repositories{}; ///< a blob may have none
    bool pooled = false;                     ///< it has its name among all blobs
};
/// Nothing when there is no cache.
Result<std::vector<Kept>> list_kept(const std::string& root);

struct Rules {
    std::function<Instant(const std::string& repository)> unread_since; ///< what is older goes
    std::int64_t bytes_max = 0;                                         ///< 0: any
    std::set<std::string> in_use{}; ///< items that do not go to make room
};
/// Those of an upstream's `keep`; what no upstream covers any more has the usual time.
Rules rules_of(std::vector<Upstream> upstreams, Instant now);

/// The names that go, and with the last one the bytes.
struct Removal {
    const Kept* kept = nullptr;
    std::vector<std::string> repositories{};
    bool whole = false;
};
/// Pure. To make room it goes down to nine tenths, so that not every fetch has to look again.
std::vector<Removal> plan_removals(const std::vector<Kept>& all, const Rules& rules);

struct Report {
    std::size_t removed = 0;
    std::int64_t removed_bytes = 0;
    std::int64_t kept_bytes = 0;
    std::vector<std::string> failures; ///< files that could not be removed, and stay
};
enum class Act { Remove, OnlySay };
Result<Report> tidy(const std::string& root, const Rules& rules, Act act);

struct Holding {
    std::string prefix;     ///< "" for what no upstream covers
    std::int64_t bytes = 0; ///< a blob of several upstreams counts for each
    std::size_t repositories = 0, tags = 0, manifests = 0, blobs = 0;
};
struct Holdings {
    std::vector<Holding> upstreams;
    std::int64_t bytes = 0; ///< on disk
};
Result<Holdings> measure(const std::string& root, const std::vector<Upstream>& upstreams);

} // namespace shoal::registry::cache_upkeep
