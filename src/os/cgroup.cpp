#include "os/cgroup.h"

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <set>

#include <unistd.h>

namespace shoal::os {
namespace {

constexpr std::array<std::string_view, 13> v1_controllers{
    "cpu",     "cpuacct", "cpuset",  "memory",   "pids",       "blkio", "devices",
    "freezer", "hugetlb", "net_cls", "net_prio", "perf_event", "rdma"};

std::uint64_t number_of(std::string_view text) {
    return parse_number<std::uint64_t>(trim(text)).value_or(0);
}

/// "name value" lines.
std::map<std::string, std::uint64_t> parse_table(std::string_view text) {
    std::map<std::string, std::uint64_t> table;
    for (const auto& line : split(text, '\n')) {
        const auto [name, value] = cut(line, ' ');
        if (!name.empty()) { table[name] = number_of(value); }
    }
    return table;
}

std::uint64_t member(const std::map<std::string, std::uint64_t>& table, const std::string& name) {
    const auto found = table.find(name);
    return found == table.end() ? 0 : found->second;
}

std::string text_of(const Cgroup& group, std::string_view controller, const std::string& file) {
    return group.read(controller, file).value_or("");
}

} // namespace

bool CgroupLayout::has(std::string_view controller) const {
    if (version == Version::V1) { return v1_mounts.contains(std::string(controller)); }
    if (controller == "freezer" || controller == "devices") { return true; }
    const std::string_view wanted = controller == "blkio"     ? "io"
                                    : controller == "cpuacct" ? "cpu"
                                                              : controller;
    return std::find(v2_controllers.begin(), v2_controllers.end(), wanted) != v2_controllers.end();
}

CgroupLayout parse_cgroup_layout(std::string_view mountinfo, std::string_view v2_controllers) {
    CgroupLayout layout;
    for (const auto& mount : parse_mountinfo(mountinfo)) {
        if (mount.type == "cgroup2" && mount.target == layout.root) {
            layout.version = CgroupLayout::Version::V2;
        } else if (mount.type == "cgroup2" && mount.target == layout.root + "/unified") {
            layout.unified_beside = true;
        } else if (mount.type == "cgroup" && mount.root == "/") {
            for (const auto& option : split(mount.super_options, ',')) {
                const std::string name = option.starts_with("name=") ? option.substr(5) : option;
                const bool known = std::find(v1_controllers.begin(), v1_controllers.end(), name) !=
                                   v1_controllers.end();
                if (known || option.starts_with("name=")) {
                    layout.v1_mounts.emplace(name, mount.target);
                }
            }
        }
    }
    if (layout.version == CgroupLayout::Version::V2) {
        for (const auto& name : split(trim(v2_controllers), ' ')) {
            if (!name.empty()) { layout.v2_controllers.push_back(name); }
        }
    }
    return layout;
}

Result<CgroupLayout> detect_cgroups() {
    TRY_LET(mountinfo, read_file("/proc/self/mountinfo"));
    return parse_cgroup_layout(mountinfo,
                               read_file("/sys/fs/cgroup/cgroup.controllers").value_or(""));
}

std::string Cgroup::directory(std::string_view controller) const {
    if (layout_.version == CgroupLayout::Version::V2) { return layout_.root + path_; }
    const auto found = layout_.v1_mounts.find(std::string(controller));
    return found == layout_.v1_mounts.end() ? "" : found->second + path_;
}

namespace {
/// The distinct directories of a group, one per mounted hierarchy.
std::set<std::string> directories_of(const Cgroup& group) {
    if (group.layout().version == CgroupLayout::Version::V2) { return {group.directory("")}; }
    std::set<std::string> all;
    for (const auto& [controller, mount] : group.layout().v1_mounts) {
        all.insert(mount + group.path());
    }
    return all;
}

void collect_processes(const std::string& directory, std::set<pid_t>& pids) {
    auto text = read_file(directory + "/cgroup.procs");
    if (!text) { return; }
    for (const auto& line : split(*text, '\n')) {
        if (auto pid = parse_number<pid_t>(line); pid && *pid > 0) { pids.insert(*pid); }
    }
    auto entries = list_directory(directory);
    if (!entries) { return; }
    for (const auto& entry : *entries) {
        if (entry.type == 4) { collect_processes(directory + "/" + entry.name, pids); }
    }
}

/// rmdir of a group with the groups inside it (a container with its own cgroup namespace may have
/// made some).
int remove_directories(const std::string& directory, int depth) {
    if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) { return 0; }
    const int code = errno;
    auto entries = list_directory(directory);
    if (!entries || depth > 64) { return code; }
    for (const auto& entry : *entries) {
        if (entry.type == 4) { (void)remove_directories(directory + "/" + entry.name, depth + 1); }
    }
    return ::rmdir(directory.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}
} // namespace

bool Cgroup::exists() const {
    const auto all = directories_of(*this);
    return std::any_of(all.begin(), all.end(), [](const auto& path) { return is_directory(path); });
}

Result<std::vector<pid_t>> Cgroup::processes() const {
    std::string directory = layout_.root + path_;
    if (layout_.version == CgroupLayout::Version::V1) {
        for (const char* controller : {"pids", "memory", "devices", "cpu", "freezer"}) {
            directory = this->directory(controller);
            if (!directory.empty() && is_directory(directory)) { break; }
        }
    }
    if (directory.empty() || !is_directory(directory)) { return not_found("cgroup", path_); }
    std::set<pid_t> pids;
    collect_processes(directory, pids);
    return std::vector<pid_t>(pids.begin(), pids.end());
}

Result<void> Cgroup::set_frozen(bool frozen) const {
    const bool v2 = layout_.version == CgroupLayout::Version::V2;
    if (!v2 && !layout_.has("freezer")) {
        return unsupported("cannot pause: no freezer cgroup on this machine");
    }
    const auto now = std::chrono::steady_clock::now();
    TRY(v2 ? write("", "cgroup.freeze", frozen ? "1" : "0")
           : write("freezer", "freezer.state", frozen ? "FROZEN" : "THAWED"));
    // The kernel freezes task by task; new ones may appear between, so v1 is told again until it
    // holds.
    while (is_frozen() != frozen) {
        if (std::chrono::steady_clock::now() - now > std::chrono::seconds(5)) {
            return Error{Errc::Timeout,
                         "cgroup " + path_ + (frozen ? " does not freeze" : " does not thaw")};
        }
        ::usleep(500);
        if (!v2) { TRY(write("freezer", "freezer.state", frozen ? "FROZEN" : "THAWED")); }
    }
    return ok();
}

bool Cgroup::is_frozen() const {
    if (layout_.version == CgroupLayout::Version::V2) {
        return member(parse_table(text_of(*this, "", "cgroup.events")), "frozen") == 1;
    }
    return trim(text_of(*this, "freezer", "freezer.state")) == "FROZEN";
}

Result<void> Cgroup::kill_all() const {
    if (layout_.version == CgroupLayout::Version::V2 && write("", "cgroup.kill", "1")) {
        return ok();
    }
    // Processes may fork while we look; a few rounds end every tree that does not fork faster than
    // we kill.
    for (int round = 0; round < 100; ++round) {
        auto pids = processes();
        if (!pids || pids->empty()) { return ok(); }
        for (const pid_t pid : *pids) { (void)::kill(pid, SIGKILL); }
        if (layout_.version == CgroupLayout::Version::V1 && is_frozen()) {
            (void)set_frozen(false);
        }
        ::usleep(round < 10 ? 500 : 5000);
    }
    return Error{Errc::Timeout, "cgroup " + path_ + ": processes do not end"};
}

Result<void> Cgroup::remove() const {
    ErrorList failures;
    for (const auto& directory : directories_of(*this)) {
        int code = remove_directories(directory, 0);
        // A process that has just ended counts until its parent has asked how.
        for (int round = 0; code == EBUSY && round < 100; ++round) {
            ::usleep(1000);
            code = remove_directories(directory, 0);
        }
        if (code != 0) { failures.add(os_error("remove cgroup " + directory, code)); }
    }
    if (!failures.empty()) { return failures.joined(); }
    return ok();
}

std::uint64_t Cgroup::oom_kills() const {
    const bool v2 = layout_.version == CgroupLayout::Version::V2;
    return member(
        parse_table(text_of(*this, "memory", v2 ? "memory.events" : "memory.oom_control")),
        "oom_kill");
}

Result<std::string> Cgroup::read(std::string_view controller, const std::string& file) const {
    const std::string where = directory(controller);
    if (where.empty()) { return not_found("cgroup controller", controller); }
    return read_file(where + "/" + file);
}

Result<void> Cgroup::write(std::string_view controller, const std::string& file,
                           std::string_view text) const {
    const std::string where = directory(controller);
    if (where.empty()) { return not_found("cgroup controller", controller); }
    return write_kernel_file(where + "/" + file, text);
}

namespace {

CpuUsage read_cpu_v1(const Cgroup& group) {
    CpuUsage usage;
    usage.total_ns = number_of(text_of(group, "cpuacct", "cpuacct.usage"));
    const auto ticks = parse_table(text_of(group, "cpuacct", "cpuacct.stat"));
    const std::uint64_t tick_ns =
        1'000'000'000ULL / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    usage.user_ns = member(ticks, "user") * tick_ns;
    usage.system_ns = member(ticks, "system") * tick_ns;
    const std::string per_cpu = text_of(group, "cpuacct", "cpuacct.usage_percpu");
    for (const auto& value : split(trim(per_cpu), ' ')) {
        if (!value.empty()) { usage.per_cpu_ns.push_back(number_of(value)); }
    }
    const auto throttling = parse_table(text_of(group, "cpu", "cpu.stat"));
    usage.periods = member(throttling, "nr_periods");
    usage.throttled_periods = member(throttling, "nr_throttled");
    usage.throttled_ns = member(throttling, "throttled_time");
    return usage;
}

CpuUsage read_cpu_v2(const Cgroup& group) {
    const auto stat = parse_table(text_of(group, "cpu", "cpu.stat"));
    CpuUsage usage;
    usage.total_ns = member(stat, "usage_usec") * 1000;
    usage.user_ns = member(stat, "user_usec") * 1000;
    usage.system_ns = member(stat, "system_usec") * 1000;
    usage.periods = member(stat, "nr_periods");
    usage.throttled_periods = member(stat, "nr_throttled");
    usage.throttled_ns = member(stat, "throttled_usec") * 1000;
    return usage;
}

/// "8:0 Read 4096" lines, with "Total 4096" at the end.
std::vector<BlkioEntry> parse_blkio_v1(std::string_view text) {
    std::vector<BlkioEntry> entries;
    for (const auto& line : split(text, '\n')) {
        const auto fields = split(line, ' ');
        if (fields.size() < 2) { continue; }
        const auto [major, minor] = cut(fields[0], ':');
        if (minor.empty()) { continue; } // the sum
        BlkioEntry entry{number_of(major), number_of(minor), "", 0};
        if (fields.size() >= 3) { entry.op = fields[1]; }
        entry.value = number_of(fields.back());
        entries.push_back(std::move(entry));
    }
    return entries;
}

/// "8:0 rbytes=1 wbytes=2 rios=3 wios=4" lines.
void parse_io_v2(std::string_view text, BlkioUsage& usage) {
    for (const auto& line : split(text, '\n')) {
        const auto fields = split(line, ' ');
        const auto [major, minor] = cut(fields[0], ':');
        if (minor.empty()) { continue; }
        for (std::size_t i = 1; i < fields.size(); ++i) {
            const auto [name, value] = cut(fields[i], '=');
            const bool bytes = name.ends_with("bytes");
            if (!bytes && !name.ends_with("ios")) { continue; }
            const std::string op = name[0] == 'r' ? "read" : name[0] == 'w' ? "write" : "discard";
            if (op == "discard") { continue; }
            usage.tables[bytes ? "io_service_bytes_recursive" : "io_serviced_recursive"].push_back(
                {number_of(major), number_of(minor), op, number_of(value)});
        }
    }
}

} // namespace

CpuUsage read_cpu_usage(const Cgroup& group) {
    return group.layout().version == CgroupLayout::Version::V2 ? read_cpu_v2(group)
                                                               : read_cpu_v1(group);
}

MemoryUsage read_memory_usage(const Cgroup& group) {
    MemoryUsage usage;
    usage.stat = parse_table(text_of(group, "memory", "memory.stat"));
    if (group.layout().version == CgroupLayout::Version::V2) {
        usage.usage = number_of(text_of(group, "memory", "memory.current"));
        const std::string limit = text_of(group, "memory", "memory.max");
        usage.limit = trim(limit) == "max" ? UINT64_MAX : number_of(limit);
        return usage;
    }
    usage.usage = number_of(text_of(group, "memory", "memory.usage_in_bytes"));
    usage.max_usage = number_of(text_of(group, "memory", "memory.max_usage_in_bytes"));
    usage.limit = number_of(text_of(group, "memory", "memory.limit_in_bytes"));
    usage.failcnt = number_of(text_of(group, "memory", "memory.failcnt"));
    return usage;
}

PidsUsage read_pids_usage(const Cgroup& group) {
    PidsUsage usage;
    usage.current = number_of(text_of(group, "pids", "pids.current"));
    usage.limit = number_of(text_of(group, "pids", "pids.max")); // "max" reads as 0: none
    return usage;
}

BlkioUsage read_blkio_usage(const Cgroup& group) {
    BlkioUsage usage;
    if (group.layout().version == CgroupLayout::Version::V2) {
        parse_io_v2(text_of(group, "io", "io.stat"), usage);
        return usage;
    }
    static constexpr std::array<std::pair<const char*, const char*>, 8> files{
        {{"io_service_bytes_recursive", "blkio.io_service_bytes_recursive"},
         {"io_serviced_recursive", "blkio.io_serviced_recursive"},
         {"io_queue_recursive", "blkio.io_queued_recursive"},
         {"io_service_time_recursive", "blkio.io_service_time_recursive"},
         {"io_wait_time_recursive", "blkio.io_wait_time_recursive"},
         {"io_merged_recursive", "blkio.io_merged_recursive"},
         {"io_time_recursive", "blkio.time_recursive"},
         {"sectors_recursive", "blkio.sectors_recursive"}}};
    for (const auto& [name, file] : files) {
        usage.tables[name] = parse_blkio_v1(text_of(group, "blkio", file));
    }
    // Without the CFQ-era files the throttling layer still counts bytes and operations.
    if (usage.tables["io_service_bytes_recursive"].empty()) {
        usage.tables["io_service_bytes_recursive"] =
            parse_blkio_v1(text_of(group, "blkio", "blkio.throttle.io_service_bytes_recursive"));
        usage.tables["io_serviced_recursive"] =
            parse_blkio_v1(text_of(group, "blkio", "blkio.throttle.io_serviced_recursive"));
    }
    return usage;
}

} // namespace shoal::os
