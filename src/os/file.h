// Files and directories: whole-file reads and atomic writes, trees removed and listed beneath a
// descriptor, paths resolved beneath a root that links cannot leave. Blocking and stateless. It is
// not a cache and never follows a link that an untrusted tree could have planted, except where a
// function says so.
#pragma once

#include "os/fd.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>
#include <sys/types.h>

namespace shoal::os {

inline constexpr std::size_t file_bytes_max = 64 * 1024 * 1024;

// --- opening ---

/// open(2), close-on-exec. `path` is relative to the working directory or absolute.
Result<Fd> open_file(const std::string& path, int flags, mode_t mode = 0);
Result<Fd> open_file_at(const Fd& directory, const std::string& name, int flags, mode_t mode = 0);
Result<Fd> open_directory(const std::string& path);

/// How a path inside a root is resolved.
enum class Beneath {
    Root,    ///< as inside a chroot: ".." and absolute links stay inside (containers)
    NoEscape ///< a path or link that would leave the root fails: Forbidden (archives)
};
struct OpenBeneath {
    Beneath rule = Beneath::Root;
    int flags = 0; ///< open(2) flags; O_CLOEXEC is added. O_NOFOLLOW applies to the last component
    mode_t mode = 0;
    bool no_links = false; ///< any link on the way fails: ELOOP
    bool force_walk =
        false; ///< do not use openat2, walk the components (for tests and old kernels)
};
/// Opens `path` beneath `root` with openat2, or component by component where the kernel has no
/// openat2.
Result<Fd> open_beneath(const Fd& root, std::string_view path, OpenBeneath how);
/// The absolute path of what a descriptor refers to, by /proc/self/fd.
Result<std::string> path_of(const Fd& fd);

// --- whole files ---

/// Fails with Exhausted when the file is larger than `bytes_max`. Works for /proc and /sys files.
Result<std::string> read_file(const std::string& path, std::size_t bytes_max = file_bytes_max);
Result<std::string> read_file_at(const Fd& directory, const std::string& name,
                                 std::size_t bytes_max = file_bytes_max);
Result<std::string> read_all(const Fd& fd, std::size_t bytes_max = file_bytes_max);
Result<void> write_all(const Fd& fd, std::string_view bytes);

enum class Sync { No, Yes };
struct WriteFile {
    mode_t mode = 0644;
    Sync sync = Sync::No; ///< fsync file and directory before success is reported
};
/// Writes beside the target and renames over it: readers see the old bytes or the new ones.
Result<void> write_file_atomic(const std::string& path, std::string_view bytes, WriteFile how = {});
/// open(O_WRONLY) and one write: for files of /proc, /sys and cgroups.
Result<void> write_kernel_file(const std::string& path, std::string_view bytes);
/// fsync of a directory, so that renames in it last.
Result<void> sync_directory(const std::string& path);

// --- directories ---

bool exists(const std::string& path); ///< of the name itself: a dangling link exists
bool is_directory(const std::string& path);
Result<void> ensure_directory(const std::string& path,
                              mode_t mode = 0755); ///< with parents; mode for new ones
/// mkdir -p beneath a root, never through a link that leaves it; new directories belong to uid:gid.
Result<Fd> ensure_directory_beneath(const Fd& root, std::string_view path, mode_t mode = 0755);

struct Entry {
    std::string name;
    unsigned char type = 0; ///< DT_DIR, DT_REG, DT_LNK, ...
};
/// The entries without "." and "..", sorted by name.
Result<std::vector<Entry>> list_directory(const std::string& path);
Result<std::vector<Entry>> list_directory(const Fd& directory);

/// Removes `name` in `directory` with everything below; links are removed, never followed; another
/// file system mounted below is not entered (error). Absent is success. Clears the immutable flag
/// where it stands in the way.
Result<void> remove_tree_at(const Fd& directory, const std::string& name);
Result<void> remove_tree(const std::string& path);
/// unlink; absent is success.
Result<void> remove_file(const std::string& path);
Result<void> rename_file(const std::string& from, const std::string& to);

/// Bytes on disk of a tree (512-byte blocks, hard links counted once), not entering other file
/// systems.
struct TreeSize {
    std::int64_t bytes = 0; ///< apparent size
    std::int64_t disk_bytes = 0;
    std::int64_t entries = 0;
};
Result<TreeSize> measure_tree(const std::string& path);

// --- temporary ---

/// A directory removed with its contents at the end of its life.
class TempDir {
  public:
    TempDir() = default;
    static Result<TempDir> create(const std::string& parent = "/tmp",
                                  std::string_view prefix = "shoal-");
    TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    TempDir& operator=(TempDir&& other) noexcept;
    ~TempDir();
    const std::string& path() const { return path_; }
    std::string keep() { return std::exchange(path_, {}); }

  private:
    std::string path_;
};

// --- file systems ---

struct FileSystem {
    std::uint32_t type = 0; ///< statfs f_type: EXT4_SUPER_MAGIC ...
    std::string name; ///< "extfs", "xfs", "btrfs", "tmpfs", "overlayfs", ... or "0x..." as Docker's
    std::int64_t bytes = 0;
    std::int64_t free_bytes = 0; ///< available to root
    std::int64_t files = 0;
    std::int64_t free_files = 0;
    bool read_only = false;
};
Result<FileSystem> stat_file_system(const std::string& path);

} // namespace shoal::os
