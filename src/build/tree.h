// Which files of a tree the sources of COPY, ADD and bind mounts name, and a digest of all of them:
// what decides whether a step's result can be taken from the cache. Blocking; runs on the pool.
// Trees are strangers': links are followed as if the tree's root were the system's.
#pragma once

#include "dockerfile/ignore.h"
#include "oci/digest.h"
#include "os/fd.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace shoal::build {

/// Digests of files by what identifies their content (device, inode, size, times). For trees that
/// only we write, and never in place. Thread safe; forgets all when it grows past entries_max.
class HashCache {
  public:
    static constexpr std::size_t entries_max = 500'000;
    /// The sha256 of the whole file, from memory when it has not changed.
    Result<std::string> digest_of(const os::Fd& file);

  private:
    struct Key {
        std::uint64_t device = 0, inode = 0;
        std::int64_t size = 0, born_ns = 0, modified_ns = 0;
        auto operator<=>(const Key&) const = default;
    };
    std::mutex mutex_;
    std::map<Key, std::string> digests_;
};

/// One file or directory that a source names.
struct Selected {
    std::string path; ///< within the root, no link on the way; "" is the root itself
    std::string
        name; ///< what it is called in a destination directory; with `parents` a relative path
    bool directory = false;
};

struct SelectRequest {
    const os::Fd* root = nullptr;
    std::vector<std::string> sources;                 ///< as written: "src/*.c", "/app"
    const dockerfile::PatternList* exclude = nullptr; ///< may be null
    bool parents = false;
    bool follow_last = true;    ///< a source that is a link stands for what it leads to
    bool owners = false;        ///< owners are part of the digest (they are kept)
    HashCache* cache = nullptr; ///< null: read every file
    const std::atomic<bool>* cancelled = nullptr;
};
struct Selection {
    std::vector<Selected> items; ///< in the order of the sources; of a wildcard by name
    oci::Digest digest;
};

/// Fails: NotFound for a source that is not there ("stat x: file does not exist"), Invalid when
/// wildcards match nothing ("no source files were specified") or a pattern is bad.
Result<Selection> select_files(const SelectRequest& request);

/// Removes from a tree what a .dockerignore excludes.
Result<void> remove_ignored(const os::Fd& root, const dockerfile::PatternList& ignored);

/// "a/b" of "a" and "b"; "b" in the root itself (""). Pure.
std::string join_path(std::string_view directory, std::string_view name);

/// A source or destination of the Dockerfile as a relative path without "." and ".." components:
/// "/a/../b/" is "b".
std::string clean_relative(std::string_view path);

} // namespace shoal::build
