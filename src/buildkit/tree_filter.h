// TreeFilter decides which entries of a directory are sent: included (all, when nothing is said),
// not excluded. A directory that is not wanted itself may contain what is; then it comes too.
#pragma once

#include "dockerfile/ignore.h"
#include "os/fd.h"

#include <string>
#include <vector>

namespace shoal::buildkit {

struct TreeWish {
    std::vector<std::string> include;
    std::vector<std::string> exclude;
    std::vector<std::string> follow_paths; ///< are included, and what links on their way lead to
};

class TreeFilter {
  public:
    /// Reads links beneath `root` for the follow paths; blocking. Fails: Invalid for a bad pattern.
    static Result<TreeFilter> create(const os::Fd& root, const TreeWish& wish);

    bool wants(const std::string& path) const;
    /// Whether a directory that is not wanted must be looked into.
    bool may_want_beneath(const std::string& directory) const;

  private:
    TreeFilter(dockerfile::PatternList include, dockerfile::PatternList beneath,
               dockerfile::PatternList exclude)
        : include_(std::move(include)), beneath_(std::move(beneath)), exclude_(std::move(exclude)) {
    }
    dockerfile::PatternList include_; ///< empty for everything
    dockerfile::PatternList beneath_; ///< the same, negated: what may_reenter() understands
    dockerfile::PatternList exclude_;
};

/// The paths themselves and every path that a link on their way leads to, sorted; empty when one
/// of them is the root. The last component may be a pattern. A chain of links that does not end is
/// cut off.
Result<std::vector<std::string>> follow_links(const os::Fd& root,
                                              const std::vector<std::string>& paths);

} // namespace shoal::buildkit
