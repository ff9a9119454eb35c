// Control groups, version 1, version 2 and the hybrid of both: which layout this machine has, where
// a container's groups lie, and what the kernel counts there. Creation and limits are the OCI
// runtime's work, not done here.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace shoal::os {

struct CgroupLayout {
    enum class Version { V1, V2 };
    Version version = Version::V1; ///< of the controllers; hybrid counts as V1
    bool unified_beside = false;   ///< hybrid: a v2 tree at /sys/fs/cgroup/unified
    std::string root = "/sys/fs/cgroup";
    std::map<std::string, std::string> v1_mounts; ///< controller -> mount point
    std::vector<std::string> v2_controllers;
    bool has(std::string_view controller) const;
};
Result<CgroupLayout> detect_cgroups();
/// The same from the text of mountinfo and cgroup.controllers.
CgroupLayout parse_cgroup_layout(std::string_view mountinfo, std::string_view v2_controllers);

/// One container's (or any) group, by its path from the root of each hierarchy: "/shoal/<id>".
class Cgroup {
  public:
    Cgroup(const CgroupLayout& layout, std::string path)
        : layout_(layout), path_(std::move(path)) {}

    /// The directory for a controller; "" when it is not mounted. V2 has one directory for all.
    std::string directory(std::string_view controller) const;
    bool exists() const;
    /// Process numbers in this group and below, as the host counts them.
    Result<std::vector<pid_t>> processes() const;
    Result<void> set_frozen(bool frozen) const;
    bool is_frozen() const;
    /// Kills everything in the group (cgroup.kill, else SIGKILL to each while frozen is not
    /// possible).
    Result<void> kill_all() const;
    /// Removes the (empty) directories of the group; absent is success.
    Result<void> remove() const;
    /// How often the kernel killed for memory in this group.
    std::uint64_t oom_kills() const;

    Result<std::string> read(std::string_view controller, const std::string& file) const;
    Result<void> write(std::string_view controller, const std::string& file,
                       std::string_view text) const;

    const std::string& path() const { return path_; }
    const CgroupLayout& layout() const { return layout_; }

  private:
    CgroupLayout layout_;
    std::string path_;
};

struct CpuUsage {
    std::uint64_t total_ns = 0, user_ns = 0, system_ns = 0;
    std::vector<std::uint64_t> per_cpu_ns; ///< v1 only
    std::uint64_t periods = 0, throttled_periods = 0, throttled_ns = 0;
};
struct MemoryUsage {
    std::uint64_t usage = 0, max_usage = 0, limit = 0,
                  failcnt = 0; ///< bytes; max_usage and failcnt v1 only
    std::map<std::string, std::uint64_t> stat;
};
struct PidsUsage {
    std::uint64_t current = 0;
    std::uint64_t limit = 0; ///< 0: none
};
struct BlkioEntry {
    std::uint64_t major = 0, minor = 0;
    std::string op;
    std::uint64_t value = 0;
};
struct BlkioUsage {
    std::map<std::string, std::vector<BlkioEntry>>
        tables; ///< by the API's names: "io_service_bytes_recursive"
};
CpuUsage read_cpu_usage(const Cgroup& group);
MemoryUsage read_memory_usage(const Cgroup& group);
PidsUsage read_pids_usage(const Cgroup& group);
BlkioUsage read_blkio_usage(const Cgroup& group);

} // namespace shoal::os
