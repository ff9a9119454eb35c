// Mounts: each one made here has an owner that takes it away again; flags, propagation and
// mountinfo have names. It is not the overlay root file system (image/) and decides nothing about
// containers.
#pragma once

#include "os/fd.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shoal::os {

enum class Propagation {
    Private,
    RPrivate,
    Slave,
    RSlave,
    Shared,
    RShared,
    Unbindable,
    RUnbindable
};
/// "rprivate", ...; false for other words.
bool from_text(std::string_view text, Propagation& propagation);
std::string_view to_text(Propagation propagation);
unsigned long mount_flags(Propagation propagation); ///< MS_PRIVATE | MS_REC ...

/// A mount that is taken away (lazily) when its owner ends, unless kept.
class Mount {
  public:
    Mount() = default;
    explicit Mount(std::string target) : target_(std::move(target)) {}
    Mount(Mount&& other) noexcept : target_(std::exchange(other.target_, {})) {}
    Mount& operator=(Mount&& other) noexcept;
    ~Mount();
    const std::string& target() const { return target_; }
    std::string keep() { return std::exchange(target_, {}); } ///< leaves it mounted
    Result<void> unmount();

  private:
    std::string target_;
};

struct MountCall {
    std::string source;
    std::string target;
    std::string type;        ///< "" for bind and propagation calls
    unsigned long flags = 0; ///< MS_*
    std::string data;
};
/// mount(2) with an error that names source and target.
Result<Mount> mount(const MountCall& call);
/// A bind mount; read-only by a second remount. Neither end is followed beyond what the caller
/// resolved.
struct Bind {
    std::string source;
    std::string target;
    bool read_only = false;
    bool recursive = true;
};
Result<Mount> bind_mount(const Bind& bind);
Result<Mount> mount_tmpfs(const std::string& target,
                          const std::string& options); ///< "size=1m,mode=0755"
Result<void> set_propagation(const std::string& target, Propagation propagation);

/// umount2(MNT_DETACH | UMOUNT_NOFOLLOW); success when nothing is mounted there.
Result<void> unmount_lazy(const std::string& target);
/// Every mount at or below `path`, deepest first.
Result<void> unmount_tree(const std::string& path);

/// One line of /proc/<pid>/mountinfo; paths are unescaped.
struct MountInfo {
    int id = 0;
    int parent = 0;
    unsigned major = 0, minor = 0;
    std::string root;
    std::string target;
    std::string options;
    std::string optional; ///< "shared:1 master:2"
    std::string type;
    std::string source;
    std::string super_options;
    bool is_shared() const { return optional.find("shared:") != std::string::npos; }
    bool is_slave() const { return optional.find("master:") != std::string::npos; }
};
std::vector<MountInfo> parse_mountinfo(std::string_view text);
Result<std::vector<MountInfo>> load_mountinfo(const std::string& path = "/proc/self/mountinfo");
/// The mount that `path` (absolute, without links) lies on; null when none.
const MountInfo* mount_of(const std::vector<MountInfo>& mounts, std::string_view path);
bool is_mount_point(const std::string& path);

} // namespace shoal::os
