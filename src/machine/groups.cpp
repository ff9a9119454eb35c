#include "machine/groups.h"

#include "base/text.h"
#include "os/file.h"

#include <cerrno>
#include <set>

#include <sys/stat.h>
#include <unistd.h>

namespace shoal::machine {
namespace {

bool is_v2(const os::CgroupLayout& layout) {
    return layout.version == os::CgroupLayout::Version::V2;
}

std::set<std::string> roots_of(const os::CgroupLayout& layout) {
    if (is_v2(layout)) { return {layout.root}; }
    std::set<std::string> roots;
    for (const auto& [controller, mount] : layout.v1_mounts) { roots.insert(mount); }
    return roots;
}

/// A new cpuset of version 1 allows nothing until it is told what.
void inherit_cpuset(const std::string& parent, const std::string& child) {
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
        const auto have = os::read_file(child + file);
        if (!have || !trim(*have).empty()) { continue; }
        if (const auto allowed = os::read_file(parent + file)) {
            (void)os::write_kernel_file(child + file, trim(*allowed));
        }
    }
}

void pass_controllers_on(const os::CgroupLayout& layout, const std::string& directory) {
    for (const auto& controller : layout.v2_controllers) {
        (void)os::write_kernel_file(directory + "/cgroup.subtree_control", "+" + controller);
    }
}

Result<void> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) { return ok(); }
    return os_error("make the cgroup " + path, errno);
}

Result<void> create_below(const os::CgroupLayout& layout, const std::string& root,
                          const std::string& path) {
    const std::string parent = root + std::string(groups_parent), group = root + path;
    // Another run may take the parent away between the two, when its last machine goes.
    auto made = make_directory(parent);
    for (int round = 0; round < 10; ++round) {
        if (is_v2(layout)) { pass_controllers_on(layout, root); }
        inherit_cpuset(root, parent);
        if (is_v2(layout)) { pass_controllers_on(layout, parent); }
        made = make_directory(group);
        if (made) { break; }
        TRY(make_directory(parent));
    }
    TRY(made);
    inherit_cpuset(parent, group);
    return ok();
}

} // namespace

os::Cgroup group_of(const os::CgroupLayout& layout, const Machine& machine) {
    return {layout, std::string(groups_parent) + "/" + machine.id};
}

Result<void> create_group(const os::Cgroup& group) {
    for (const auto& root : roots_of(group.layout())) {
        TRY(create_below(group.layout(), root, group.path()));
    }
    return ok();
}

Result<void> join_group(const os::Cgroup& group) {
    for (const auto& root : roots_of(group.layout())) {
        std::string directory = root + group.path();
        if (is_v2(group.layout()) && os::is_directory(directory + "/init")) {
            directory += "/init";
        }
        TRY(os::write_kernel_file(directory + "/cgroup.procs", "0").with("join " + directory));
    }
    return ok();
}

Result<void> open_root_group(const os::CgroupLayout& layout) {
    if (!is_v2(layout)) { return ok(); }
    TRY(make_directory(layout.root + "/init"));
    TRY(os::write_kernel_file(layout.root + "/init/cgroup.procs", "0"));
    pass_controllers_on(layout, layout.root);
    return ok();
}

Result<void> remove_group(const os::Cgroup& group) {
    ErrorList failures;
    if (group.exists()) {
        failures.add(group.kill_all());
        failures.add(group.remove());
    }
    for (const auto& root : roots_of(group.layout())) {
        (void)::rmdir((root + std::string(groups_parent)).c_str()); // refused while others use it
    }
    if (!failures.empty()) { return failures.joined(); }
    return ok();
}

} // namespace shoal::machine
