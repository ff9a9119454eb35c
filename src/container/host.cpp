// Facts of this machine and its devices (declared in runtime.h).
#include "base/text.h"
#include "container/runtime.h"
#include "oci/image_config.h"
#include "os/file.h"

#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace shoal::container {
namespace {

constexpr std::size_t devices_max = 4096;
constexpr int device_depth_max = 8;

const std::map<std::string, int> limit_resources = {
    {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},         {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS},       {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},     {"nproc", RLIMIT_NPROC},
    {"rss", RLIMIT_RSS},           {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK}};

/// The bounding set, from the CapBnd line of /proc/self/status.
std::set<std::string> bounding_set() {
    std::set<std::string> names;
    auto text = os::read_file("/proc/self/status");
    if (!text) { return names; }
    const auto at = text->find("CapBnd:\t");
    if (at == std::string::npos) { return names; }
    const std::uint64_t bits = std::strtoull(text->c_str() + at + 8, nullptr, 16);
    const auto& known = known_capabilities();
    for (std::size_t i = 0; i < known.size(); ++i) {
        if ((bits >> i & 1) != 0) { names.insert(known[i]); }
    }
    return names;
}

std::optional<DeviceNode> node_of(const std::string& path, const std::string& shown,
                                  const std::string& permissions) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) { return std::nullopt; }
    if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) { return std::nullopt; }
    DeviceNode node;
    node.path = shown;
    node.type = S_ISCHR(info.st_mode) ? 'c' : 'b';
    node.major = static_cast<std::int64_t>(major(info.st_rdev));
    node.minor = static_cast<std::int64_t>(minor(info.st_rdev));
    node.mode = info.st_mode & 07777;
    node.uid = info.st_uid;
    node.gid = info.st_gid;
    node.permissions = permissions;
    return node;
}

void walk_devices(const std::string& directory, const std::string& shown,
                  const std::string& permissions, int depth, std::vector<DeviceNode>& found) {
    auto entries = os::list_directory(directory);
    if (!entries || depth > device_depth_max) { return; }
    for (const auto& entry : *entries) {
        static const std::set<std::string> own = {"pts",  "shm",         "fd",    "mqueue",
                                                  ".lxc", ".lxd-mounts", ".udev", "console"};
        if (found.size() >= devices_max ||
            (depth == 0 && directory == "/dev" && own.count(entry.name) > 0)) {
            continue;
        }
        const std::string path = directory + "/" + entry.name;
        if (os::is_directory(path)) {
            if (entry.type != DT_LNK) {
                walk_devices(path, shown + "/" + entry.name, permissions, depth + 1, found);
            }
        } else if (entry.type != DT_LNK) {
            if (auto node = node_of(path, shown + "/" + entry.name, permissions)) {
                found.push_back(*node);
            }
        }
    }
}

} // namespace

Result<HostFacts> load_host_facts(const os::CgroupLayout& layout) {
    HostFacts facts;
    facts.architecture = oci::host_architecture();
    utsname names{};
    if (::uname(&names) != 0) { return os_error("uname", errno); }
    facts.host_name = names.nodename;
    const auto version = split(names.release, '.');
    facts.kernel_major = version.empty() ? 0 : parse_number<int>(version[0]).value_or(0);
    facts.kernel_minor = version.size() < 2 ? 0 : std::atoi(version[1].c_str());
    facts.cgroup_v2 = layout.version == os::CgroupLayout::Version::V2;
    for (const char* name : {"cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "io", "devices",
                             "freezer", "hugetlb"}) {
        if (layout.has(name)) { facts.controllers.insert(name); }
    }
    const os::Cgroup root(layout, "/");
    const std::string memory = root.directory("memory");
    facts.memory_swap_accounting =
        facts.cgroup_v2 || os::exists(memory + "/memory.memsw.limit_in_bytes");
    facts.apparmor = os::exists("/sys/kernel/security/apparmor");
    facts.selinux = os::exists("/sys/fs/selinux/enforce");
    facts.seccomp = os::exists("/proc/sys/kernel/seccomp");
    facts.capabilities = bounding_set();
    for (const auto& [name, resource] : limit_resources) {
        rlimit limit{};
        if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) { continue; }
        facts.hard_limits[name] =
            limit.rlim_max == RLIM_INFINITY ? -1 : static_cast<std::int64_t>(limit.rlim_max);
    }
    facts.cpus = ::get_nprocs();
    struct sysinfo memory_info {};
    if (::sysinfo(&memory_info) == 0) {
        facts.memory_bytes = static_cast<std::int64_t>(memory_info.totalram) * memory_info.mem_unit;
    }
    return facts;
}

Result<std::vector<DeviceNode>> load_devices(const DeviceMapping& mapping) {
    const std::string shown =
        mapping.path_in_container.empty() ? mapping.path_on_host : mapping.path_in_container;
    const std::string permissions =
        mapping.cgroup_permissions.empty() ? "rwm" : mapping.cgroup_permissions;
    std::vector<DeviceNode> nodes;
    if (auto node = node_of(mapping.path_on_host, shown, permissions)) {
        nodes.push_back(*node);
    } else if (os::is_directory(mapping.path_on_host)) {
        walk_devices(mapping.path_on_host, shown, permissions, 1, nodes);
    }
    if (nodes.empty()) {
        return invalid("error gathering device information while adding custom device \"" +
                       mapping.path_on_host + "\": no such file or directory");
    }
    return nodes;
}

Result<std::vector<DeviceNode>> load_all_devices() {
    std::vector<DeviceNode> nodes;
    walk_devices("/dev", "/dev", "rwm", 0, nodes);
    return nodes;
}

Result<std::map<std::string, DeviceNumber>> load_device_numbers(const Resources& resources) {
    std::map<std::string, DeviceNumber> numbers;
    const auto look = [&](const std::string& path) -> Result<void> {
        auto node = node_of(path, path, "");
        if (!node) { return invalid("stat " + path + ": no such file or directory"); }
        if (node->type != 'b') { return invalid("no such block device: " + path); }
        numbers[path] = {node->major, node->minor};
        return ok();
    };
    for (const auto& device : resources.blkio_weight_device) { TRY(look(device.path)); }
    for (const auto* list :
         {&resources.blkio_device_read_bps, &resources.blkio_device_write_bps,
          &resources.blkio_device_read_iops, &resources.blkio_device_write_iops}) {
        for (const auto& device : *list) { TRY(look(device.path)); }
    }
    return numbers;
}

} // namespace shoal::container
