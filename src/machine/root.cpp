#include "machine/root.h"

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"

#include <algorithm>
#include <map>

#include <sys/mount.h>
#include <unistd.h>

namespace shoal::machine {
namespace {

using Kind = RootStep::Kind;

/// On the machine's disk.
constexpr std::string_view own_folders[] = {"home", "root", "srv", "var"};
/// Made anew, or not shown.
constexpr std::string_view fresh_folders[] = {"dev", "etc", "proc",      "run",
                                              "sys", "tmp", "lost+found"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string top_of(std::string_view path) {
    const auto rest = path.substr(1);
    return std::string(rest.substr(0, rest.find('/')));
}

void plan_top(const RootInput& input, std::vector<RootStep>& steps) {
    for (const auto& entry : input.top) {
        if (is_one_of(entry.name, own_folders) || is_one_of(entry.name, fresh_folders)) {
            continue;
        }
        if (!entry.link.empty()) {
            steps.push_back({Kind::Link, entry.name, entry.link, "", ""});
        } else {
            steps.push_back({Kind::ReadOnly, entry.name, "/" + entry.name, "", ""});
        }
    }
    for (const auto name : own_folders) {
        steps.push_back(
            {Kind::Bind, std::string(name), input.disk + "/" + std::string(name), "", ""});
    }
    steps.push_back({Kind::Overlay, "etc", "/etc", input.etc, input.etc + ".work"});
}

void plan_kernel(std::vector<RootStep>& steps) {
    steps.push_back({Kind::Mount, "tmp", "tmpfs", "tmpfs", "mode=1777"});
    steps.push_back({Kind::Mount, "run", "tmpfs", "tmpfs", "mode=0755"});
    steps.push_back({Kind::Directory, "run/lock", "", "", ""});
    steps.push_back({Kind::BindAll, "dev", "/dev", "", ""});
    steps.push_back({Kind::Mount, "dev/shm", "tmpfs", "tmpfs", "mode=1777"});
    steps.push_back({Kind::Mount, "proc", "proc", "proc", ""});
    steps.push_back({Kind::Mount, "sys", "sysfs", "sysfs", ""});
}

/// Version 1: one mount per hierarchy, several controllers may share one. A hierarchy without
/// controllers has a name.
void plan_cgroups_v1(const os::CgroupLayout& layout, std::vector<RootStep>& steps) {
    constexpr std::string_view known[] = {"cpu",      "cpuacct",    "cpuset",  "memory",  "pids",
                                          "blkio",    "devices",    "freezer", "hugetlb", "net_cls",
                                          "net_prio", "perf_event", "rdma"};
    std::map<std::string, std::vector<std::string>> hierarchies;
    for (const auto& [controller, mount] : layout.v1_mounts) {
        hierarchies[mount].push_back(is_one_of(controller, known) ? controller
                                                                  : "none,name=" + controller);
    }
    const std::string top = layout.root.substr(1);
    steps.push_back({Kind::Mount, top, "tmpfs", "tmpfs", "mode=0755"});
    for (const auto& [mount, controllers] : hierarchies) {
        const std::string folder = mount.substr(mount.rfind('/') + 1);
        steps.push_back(
            {Kind::Mount, top + "/" + folder, "cgroup", "cgroup", join(controllers, ",")});
        for (const auto& controller : controllers) {
            if (controller != folder && !controller.starts_with("none,")) {
                steps.push_back({Kind::Link, top + "/" + controller, folder, "", ""});
            }
        }
    }
}

void plan_cgroups(const os::CgroupLayout& layout, std::vector<RootStep>& steps) {
    if (layout.version == os::CgroupLayout::Version::V1) {
        plan_cgroups_v1(layout, steps);
    } else {
        steps.push_back({Kind::Mount, layout.root.substr(1), "cgroup2", "cgroup2", ""});
    }
}

Result<void> take_overlay(const std::string& target, const RootStep& step) {
    const std::string data =
        "lowerdir=" + step.source + ",upperdir=" + step.type + ",workdir=" + step.data;
    TRY_LET(made, os::mount({"overlay", target, "overlay", 0, data}));
    (void)made.keep();
    return ok();
}

Result<void> take(const std::string& root, const RootStep& step) {
    const std::string target = root + "/" + step.target;
    if (step.kind == Kind::Link) {
        if (::symlink(step.source.c_str(), target.c_str()) != 0 && errno != EEXIST) {
            return os_error("make the link " + target, errno);
        }
        return ok();
    }
    TRY(os::ensure_directory(target));
    switch (step.kind) {
    case Kind::Directory:
    case Kind::Link:
        return ok();
    case Kind::Overlay:
        return take_overlay(target, step);
    case Kind::Bind:
    case Kind::BindAll:
    case Kind::ReadOnly: {
        const bool read_only = step.kind == Kind::ReadOnly, all = step.kind != Kind::Bind;
        TRY_LET(made, os::bind_mount({step.source, target, read_only, all}));
        (void)made.keep();
        return ok();
    }
    case Kind::Mount: {
        TRY_LET(made, os::mount({step.source, target, step.type, 0, step.data}));
        (void)made.keep();
        return ok();
    }
    }
    return ok();
}

} // namespace

std::vector<std::string> disk_folders() {
    std::vector<std::string> all;
    for (const auto name : own_folders) { all.emplace_back(name); }
    for (const char* name : {"cache", "lib", "log", "spool", "tmp"}) {
        all.push_back("var/" + std::string(name));
    }
    return all;
}

std::vector<RootStep> plan_root(const RootInput& input) {
    std::vector<RootStep> steps;
    plan_top(input, steps);
    plan_kernel(steps);
    plan_cgroups(input.cgroups, steps);
    steps.push_back({Kind::Link, "var/run", "/run", "", ""});
    steps.push_back({Kind::Link, "var/lock", "/run/lock", "", ""});
    steps.push_back({Kind::Bind, "run/machine", input.directory, "", ""});
    steps.push_back({Kind::ReadOnly, "run/cluster", input.common, "", ""});
    steps.push_back({Kind::Link, "run/shoal.sock", "machine/api.sock", "", ""});
    steps.push_back({Kind::Link, "run/docker.sock", "machine/api.sock", "", ""});
    const std::string top = top_of(input.daemon_folder);
    if (is_one_of(top, own_folders) || is_one_of(top, fresh_folders)) {
        steps.push_back(
            {Kind::ReadOnly, input.daemon_folder.substr(1), input.daemon_folder, "", ""});
    }
    return steps;
}

Result<std::vector<TopEntry>> load_top() {
    TRY_LET(entries, os::list_directory("/"));
    std::vector<TopEntry> top;
    for (const auto& entry : entries) {
        const std::string path = "/" + entry.name;
        char target[4096];
        const auto size = ::readlink(path.c_str(), target, sizeof target);
        if (size > 0) {
            top.push_back({entry.name, std::string(target, static_cast<std::size_t>(size))});
        } else if (os::is_directory(path)) {
            top.push_back({entry.name, ""});
        }
    }
    return top;
}

Result<void> build_root(const std::string& root, const std::vector<RootStep>& steps) {
    TRY(os::ensure_directory(root));
    TRY_LET(made, os::mount({"tmpfs", root, "tmpfs", 0, "mode=0755,size=16m"}));
    (void)made.keep();
    for (const auto& step : steps) { TRY(take(root, step)); }
    return ok();
}

} // namespace shoal::machine
