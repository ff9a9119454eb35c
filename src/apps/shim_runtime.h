// How the monitor calls the OCI runtime: in a child that sees the cgroups as the runtime wants
// them, with the container's streams as its own, and waits for it to end.
#pragma once

#include "base/result.h"
#include "container/shim_protocol.h"

#include <string>
#include <vector>

namespace shoal::shim {

struct Streams {
    int in = -1, out = -1, err = -1; ///< -1: /dev/null
    int held = -1;                   ///< stays open in the program, as 3; -1: none
};

/// On a hybrid layout: a private mount namespace without /sys/fs/cgroup/unified, the host's
/// untouched. For a child process that is about to exec. False with errno on failure.
bool enter_runtime_view();

/// Runs `argv` to its end. Returns its wait status, or -1 with errno.
int run_program(const std::vector<std::string>& argv, Streams streams);

/// "<runtime> <args> --log ... --root ..." for a configuration.
std::vector<std::string> runtime_command(const container::ShimConfig& config);
/// The text of the runtime's log of the last failed call, and removes it.
std::string take_runtime_error(const container::ShimConfig& config);

/// Lets a created container go on: by crun's own fifo where it is one of crun's, else by the
/// `start` command.
Result<void> start_created(const container::ShimConfig& config);

} // namespace shoal::shim
