// A directory as a tree of files that nothing can lead out of: every path is resolved beneath its
// descriptor and through no symbolic link. Files appear whole, by rename. It knows nothing of
// registries.
#pragma once

#include "base/clock.h"
#include "os/fd.h"
#include "os/file.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shoal::registry {

class Tree {
  public:
    /// Makes the directory when missing.
    static Result<Tree> open(const std::string& path);

    Result<std::string> read(const std::string& path, std::size_t bytes_max) const;
    Result<os::Fd> open_file(const std::string& path, int flags, mode_t mode = 0644) const;
    enum class Durable { No, Yes };
    /// With the directories above it. `durable`: on disk before it has its name, and the name and
    /// the new directories above it before success is said.
    Result<void> write(const std::string& path, std::string_view bytes, Durable durable) const;
    struct Status {
        std::int64_t size = 0;
        Instant changed; ///< modification time
        bool directory = false;
    };
    std::optional<Status> status(const std::string& path) const; ///< nothing when absent
    bool has(const std::string& path) const { return status(path).has_value(); }
    Result<void> touch(const std::string& path) const; ///< now is its modification time
    /// What a file gets as its time that is touched now: a tick of the kernel behind the clock, or
    /// more on a busy machine; on shared storage the server's time.
    Result<Instant> present() const;
    /// Names in the directory, sorted; none when it is absent.
    Result<std::vector<os::Entry>> list(const std::string& path) const;
    Result<void> ensure_directory(const std::string& path) const;
    /// Makes directories. Replaces what is there; on disk when it returns.
    Result<void> rename(const std::string& from, const std::string& to) const;
    Result<void> remove_file(const std::string& path) const; ///< absent is success
    Result<void> remove_tree(const std::string& path) const; ///< absent is success
    /// Removes the directory and those above it as long as they are empty; never `stop` itself.
    void remove_empty(std::string path, const std::string& stop) const;
    /// Half-written files lie here until they get their names; a crash leaves them.
    static constexpr std::string_view temporary = ".shoal-tmp";
    Result<void> sync_directory(const std::string& path) const;
    const std::string& path() const { return path_; }

  private:
    Tree(os::Fd root, std::string path, std::string tag);
    Result<os::Fd> parent_of(const std::string& path) const;
    std::string nearest_directory(std::string path) const;
    Result<void> sync_up(std::string directory, const std::string& last) const;
    std::shared_ptr<os::Fd> root_;
    std::string path_;
    std::string tag_; ///< of our temporary files: other machines may write here, too
};

} // namespace shoal::registry
