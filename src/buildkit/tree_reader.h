// TreeReader walks a directory in the order of a transfer and reads its files, without following
// links. Blocking; one thread at a time for each of the two halves.
#pragma once

#include "base/result.h"
#include "buildkit/entry.h"
#include "buildkit/tree_filter.h"
#include "os/fd.h"
#include "os/file.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace shoal::buildkit {

/// The walk. Sockets are left out; what vanishes meanwhile is too.
class TreeWalk {
  public:
    static Result<std::unique_ptr<TreeWalk>> open(const std::string& directory, TreeWish wish);
    /// The next entries, at most `count_max`; empty at the end. Hard links name the first path of
    /// their content.
    Result<std::vector<TreeEntry>> next(std::size_t count_max);

  private:
    struct Level {
        std::string path;
        os::Fd fd;
        std::vector<os::Entry> entries;
        std::size_t next = 0;
        TreeEntry self;
        bool told = false; ///< whether `self` has been given out
    };
    TreeWalk(std::string directory, TreeFilter filter)
        : directory_(std::move(directory)), filter_(std::move(filter)) {}
    Result<void> visit(Level& level, const std::string& name, std::vector<TreeEntry>& out);
    Result<void> enter(const Level& level, const std::string& name, TreeEntry entry, bool told);
    Result<TreeEntry> describe(const Level& level, const std::string& name, std::string path,
                               const struct stat& status);
    void tell_parents(std::vector<TreeEntry>& out);

    std::string directory_;
    TreeFilter filter_;
    std::vector<Level> levels_;
    std::map<std::pair<dev_t, ino_t>, std::string> first_names_; ///< of files with several
};

/// One file of the tree, read piece by piece.
class TreeFile {
  public:
    static Result<TreeFile> open(const os::Fd& root, const std::string& path);
    /// At most `bytes_max`; "" at the end.
    Result<std::string> read(std::size_t bytes_max);

  private:
    explicit TreeFile(os::Fd fd) : fd_(std::move(fd)) {}
    os::Fd fd_;
};

} // namespace shoal::buildkit
