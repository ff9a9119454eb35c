// Mounting overlayfs, with as many lower directories as an image may have layers: one by one
// through the new mount calls where the kernel has them, else as one option string of short names.
// It knows nothing of images.
#pragma once

#include "os/mount.h"

namespace shoal::os {

struct OverlayMount {
    std::vector<std::string> lowers; ///< topmost first; at least one
    std::string upper;               ///< "" with `work` "" for a read-only mount
    std::string work;
    std::string target;
    bool without_fsopen = false; ///< for tests and old kernels
};
/// Changed directories of lower layers are copied, never redirected, so that the upper directory
/// alone says what changed. Fails with the kernel's own words where it has some.
Result<Mount> mount_overlay(const OverlayMount& mount);

} // namespace shoal::os
