// Finds a path inside a root file system the way a process whose root it is would: `..` stops at
// the root, absolute links start there, and magic links of /proc are refused. The result is a
// descriptor, so that nobody can swap what was found. Also the path rules and the stat header of
// the archive endpoints (`docker cp`).
#pragma once

#include "base/clock.h"
#include "os/fd.h"

#include <string>
#include <string_view>

namespace shoal::archive {

enum class Follow { All, NotLast };

/// Steps does without openat2, as on kernels that lack it; for tests.
enum class Walk { Kernel, Steps };

/// O_PATH descriptor of `path` beneath `root`. Fails: NotFound; Invalid for a file used as a
/// directory, a loop of links or a NUL byte.
Result<os::Fd> open_in_root(const os::Fd& root, std::string_view path, Follow follow,
                            Walk walk = Walk::Kernel);
/// Opens for reading or writing: `flags` as of open(2); never creates.
Result<os::Fd> reopen(const os::Fd& path_fd, int flags);
/// The whole content of a file beneath the root; Exhausted when it is longer than `bytes_max`. Only
/// regular files.
Result<std::string> read_in_root(const os::Fd& root, std::string_view path, std::size_t bytes_max);
/// Where `path` ends up with all links followed: absolute within the root.
Result<std::string> resolve_in_root(const os::Fd& root, std::string_view path);
/// Go's os.FileMode of a POSIX st_mode, as the Engine API has it.
std::uint32_t go_file_mode(std::uint32_t st_mode);
std::uint32_t posix_file_mode(std::uint32_t go_mode);

struct PathStat {
    std::string name;
    std::int64_t size = 0;
    std::uint32_t mode = 0; ///< Go's bits
    Instant mtime{};
    std::string link_target; ///< of a symbolic link: where it leads, absolute within the root
};

/// A requested path, taken apart as the archive endpoints need it.
struct ArchivePath {
    std::string full;      ///< absolute, cleaned, with the trailing "/" or "/." of the request
    std::string directory; ///< followed: "/a/b" of "/a/b/c", and all of "/a/b/" and "/a/b/."
    std::string last;      ///< not followed: "c"; "" and "." in the other cases
    std::string name;      ///< what the entries are called: base name of `full`
};
ArchivePath parse_archive_path(std::string_view requested);

/// For HEAD archive. A trailing "/" or "/." follows the last link and demands a directory.
Result<PathStat> stat_for_archive(const os::Fd& root, std::string_view requested);
/// Value of X-Docker-Container-Path-Stat: base64 of {"name","size","mode","mtime","linkTarget"}.
std::string path_stat_header(const PathStat& stat);
Result<PathStat> parse_path_stat_header(std::string_view header);

} // namespace shoal::archive
