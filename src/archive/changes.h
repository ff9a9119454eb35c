// What a container has changed: the difference of its overlay upper directory to the image's
// layers, in Docker's form and order (a directory before what is in it, names in byte order).
// Read-only.
#pragma once

#include "os/fd.h"

#include <string>
#include <vector>

namespace shoal::archive {

enum class ChangeKind { Modified = 0, Added = 1, Deleted = 2 }; // numbers of the Engine API

struct Change {
    ChangeKind kind = ChangeKind::Modified;
    std::string path; ///< absolute within the container
    bool operator==(const Change&) const = default;
};

/// `lowers` from the topmost layer down. A directory is Modified when its own attributes differ, or
/// anything below it is in the list.
Result<std::vector<Change>> list_changes(const os::Fd& upper, const std::vector<os::Fd>& lowers);

/// Sum of the sizes of the regular files in a tree, hard links once (SizeRw, SizeRootFs).
Result<std::uint64_t> tree_size(const os::Fd& directory);

} // namespace shoal::archive
