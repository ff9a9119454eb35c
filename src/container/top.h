// The process list of a container, made as Docker makes it: the host's own ps with the caller's
// arguments, its lines filtered by the process numbers of the container's cgroup.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "os/cgroup.h"

#include <string>
#include <string_view>
#include <vector>

namespace shoal::container {

struct ProcessTable {
    std::vector<std::string> titles;
    std::vector<std::vector<std::string>> processes;
};
/// Refuses options of ps that would do more than choose columns and order. Pure.
Result<std::vector<std::string>> parse_ps_args(std::string_view ps_args);
/// Pure: the lines of ps output whose PID column is one of `pids`.
Result<ProcessTable> parse_ps_output(std::string_view output, const std::vector<pid_t>& pids);
/// Unsupported when this host has no ps.
Result<ProcessTable> list_processes(const os::Cgroup& group, std::string_view ps_args,
                                    Deadline deadline);

} // namespace shoal::container
