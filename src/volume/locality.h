// Whether looking at a path could hang: it lies on, or leads through links to, a file system whose
// server may be away. It finds out without touching such a file system: it walks the names with the
// table of mounts in hand.
#pragma once

#include "os/mount.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace shoal::volume {

/// NFS, SMB, FUSE and their like.
bool may_hang(std::string_view file_system_type);

/// The target of the link at an absolute path; nothing when it is no link or not there.
using ReadLink = std::function<std::optional<std::string>(const std::string&)>;
/// True when resolving `path` (absolute) meets a mount that may hang, or too many links to tell.
bool may_hang(const std::string& path, const std::vector<os::MountInfo>& mounts,
              const ReadLink& read_link);
/// The same with this process's mounts and readlink(2). True when the mounts cannot be read.
bool may_hang_here(const std::string& path);

} // namespace shoal::volume
