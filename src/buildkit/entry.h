// One entry of a directory tree under way between client and daemon, and the limits of such a
// transfer. The order of entries is that of a walk: names of a directory by their bytes, what a
// directory contains right behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <sys/stat.h>

namespace shoal::buildkit {

struct TreeEntry {
    std::string path;       ///< relative, "/" between names, clean
    std::uint32_t mode = 0; ///< st_mode
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::int64_t size = 0;
    std::int64_t mtime_nanos = 0;
    std::string link; ///< target of a symbolic link; of a file: the path whose content it shares
    std::map<std::string, std::string> xattrs;

    bool is_directory() const { return S_ISDIR(mode); }
    bool is_file() const { return S_ISREG(mode); }
    bool is_link() const { return S_ISLNK(mode); }
};

struct TreeLimits {
    std::uint64_t bytes_max = 256ull << 30; ///< of all files together
    std::uint64_t entries_max = 4'000'000;
    std::uint64_t names_bytes_max = 512u << 20; ///< paths, link targets and attributes together
    std::size_t path_bytes_max = 4095;
    std::size_t name_bytes_max = 255;
    std::size_t depth_max = 512;
    std::size_t requests_max = 256; ///< files asked for and not yet complete
    std::size_t xattrs_max = 64;    ///< of one entry; "user." and file capabilities only
    std::size_t xattr_bytes_max = 64 * 1024;
};

/// Attributes that travel with a tree. Others mean something on one machine only, or give orders
/// to overlayfs.
bool is_portable_xattr(const std::string& name);

} // namespace shoal::buildkit
