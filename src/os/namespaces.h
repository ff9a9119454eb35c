// The first process of new namespaces, and what such a process does before it starts others: a new
// root, a host name, namespaces of its own. A thread that changes namespace is made for it and ends
// with it. Containers get theirs from the OCI runtime, not from here.
#pragma once

#include "os/process.h"

#include <functional>
#include <string>

namespace shoal::os {

struct FirstProcess {
    Spawn spawn;
    /// Runs in the new network, mount, UTS and IPC namespaces before the process exists.
    std::function<Result<void>()> inside;
};
/// Starts the program as process 1 of a new PID namespace and in new network, mount, UTS and IPC
/// namespaces. The process number is the caller's; when the process ends, the kernel ends
/// everything in it.
Result<Process> spawn_first(const FirstProcess& first);

/// The cgroups that the caller is in become the root of what it and its children see.
Result<void> enter_new_cgroup_namespace();
Result<void> set_host_name(const std::string& name);
/// `new_root`, a mount point, becomes "/"; the old root is taken away.
Result<void> change_root(const std::string& new_root);

/// Runs `job` with the root and the mounts of another process, on a thread of its own.
Result<void> run_in_mounts_of(pid_t pid, const std::function<Result<void>()>& job);

} // namespace shoal::os
