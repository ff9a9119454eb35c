// The root file system of a machine: what of this computer it sees (read-only), what it has of its
// own, and what is fresh at each start. The plan is pure; `build_root` carries it out in the
// machine's own mount namespace.
#pragma once

#include "machine/state.h"
#include "os/cgroup.h"

#include <string>
#include <vector>

namespace shoal::machine {

struct TopEntry {
    std::string name;
    std::string link; ///< target, "" for a directory
};

struct RootInput {
    std::string directory; ///< the machine's own
    std::string disk;      ///< its disk: what lasts
    std::string etc;    ///< what it changes in /etc; beside it, with ".work", is the overlay's own
    std::string common; ///< what all machines see
    std::string daemon_folder; ///< must be visible at the same path
    std::vector<TopEntry> top; ///< of "/" on this computer
    os::CgroupLayout cgroups;
};

struct RootStep {
    enum class Kind {
        Directory,
        Link,
        Bind,     ///< without what is mounted below
        BindAll,  ///< with it
        ReadOnly, ///< the same, its top not to be written
        Overlay,
        Mount
    };
    Kind kind = Kind::Directory;
    std::string target; ///< beneath the new root, "" for the root itself
    std::string source; ///< path of this computer; target of a link; device of a mount
    std::string type;   ///< of a mount; upper directory of an overlay
    std::string data;   ///< options of a mount; work directory of an overlay
    bool operator==(const RootStep&) const = default;
};

/// Directories that must be on the machine's disk before the steps are taken.
std::vector<std::string> disk_folders();
std::vector<RootStep> plan_root(const RootInput& input);

Result<std::vector<TopEntry>> load_top();
/// Fills the directory `root` by the steps; the caller makes it the root.
Result<void> build_root(const std::string& root, const std::vector<RootStep>& steps);

} // namespace shoal::machine
