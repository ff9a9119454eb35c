// First use of an empty volume: what the image has at the mount point is copied into it, with
// owners, modes, times, extended attributes, hard links, symbolic links, devices and holes. Both
// trees belong to strangers: nothing is followed, and no path is resolved twice.
#pragma once

#include "os/fd.h"

#include <string>

namespace shoal::volume {

/// True when the directory has no entry.
Result<bool> is_empty_directory(const std::string& path);

struct CopyUp {
    std::string root;        ///< the container's root file system
    std::string path;        ///< inside it; links are followed as inside the container
    std::string destination; ///< an empty directory
};
/// True when something was there to copy. The source not being a directory, or not there, is no
/// error: nothing is copied. On failure the destination is emptied again.
Result<bool> copy_up(const CopyUp& copy);

/// One directory's content and attributes into another, existing one.
Result<void> copy_tree(const os::Fd& from, const os::Fd& to);

} // namespace shoal::volume
