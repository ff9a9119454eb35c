// Extended attributes of a pinned object, as values. Private to this folder.
#pragma once

#include "os/fd.h"

#include <map>
#include <string>

namespace shoal::archive {

using Xattrs = std::map<std::string, std::string>;

/// A path that reaches the pinned object and nothing else, for calls that have no *at() form.
std::string self_path(const os::Fd& fd);

/// All attributes of `name` in `directory`, links not followed; a file system without them has
/// none.
Result<Xattrs> read_xattrs_at(const os::Fd& directory, const std::string& name);
Result<Xattrs> read_xattrs(const os::Fd& object);

/// overlayfs takes orders from these: where a directory's content comes from, what hides what.
bool is_overlay_xattr(std::string_view name);
bool is_opaque(const os::Fd& directory);

} // namespace shoal::archive
