// The control group of a machine: made for it, the root of what it sees, and taken away with all
// that it has made below. It sets no limits.
#pragma once

#include "machine/state.h"
#include "os/cgroup.h"

namespace shoal::machine {

inline constexpr std::string_view groups_parent = "/shoal-machines";

os::Cgroup group_of(const os::CgroupLayout& layout, const Machine& machine);
Result<void> create_group(const os::Cgroup& group);
/// Puts the calling process into it (on version 2 into its leaf "init", once there is one).
Result<void> join_group(const os::Cgroup& group);
/// Inside the machine, on version 2: processes leave the root, so that it may have controllers.
Result<void> open_root_group(const os::CgroupLayout& layout);
/// Ends what is in it, removes it, and the parent with the last one.
Result<void> remove_group(const os::Cgroup& group);

} // namespace shoal::machine
