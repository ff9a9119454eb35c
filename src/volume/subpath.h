// A path inside a volume as a mount source that cannot be swapped under the runtime's hands: the
// path is resolved once, beneath the volume's root and never out of it, and what was found is bound
// to a place of our own.
#pragma once

#include "base/result.h"

#include <string>

namespace shoal::volume {

struct SubpathBind {
    std::string volume;  ///< the volume's data directory
    std::string subpath; ///< relative
    std::string target;  ///< where it is bound; a directory or file is made for it, parents too
};
/// Fails: Invalid for absolute paths and "..", NotFound, Forbidden when a link leads out of the
/// volume.
Result<void> check_subpath(const std::string& subpath);
Result<void> bind_subpath(const SubpathBind& bind);
/// Harmless when nothing is there.
Result<void> unbind_subpath(const std::string& target);

} // namespace shoal::volume
