// The storage helper: a process of our own program that does one Job and can be killed when the
// storage does not answer. A thread stuck in the kernel could not be taken back; a process is given
// up and forgotten.
#pragma once

#include "base/clock.h"
#include "volume/jobs.h"

namespace shoal::volume {

inline constexpr std::string_view helper_argument = "storage-helper";

/// Runs `job` in a helper process. Fails as the job does, or with Timeout "storage at <path> does
/// not answer". `program` is our own binary, which calls helper_main() when its first argument is
/// helper_argument.
Result<std::string> run_in_helper(const Job& job, Deadline deadline,
                                  const std::string& program = "/proc/self/exe");

/// The helper's own side: the job as JSON on standard input, the outcome on standard output. Gives
/// the exit status.
int helper_main();

} // namespace shoal::volume
