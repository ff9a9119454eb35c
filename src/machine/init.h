// Process 1 of a machine: makes the machine's root, starts the daemon, buries what has ended, and
// shuts down in order when it is told to. When it is killed, the kernel ends everything in the
// machine at once, which is the power cut. It does not start a daemon again that has ended: that is
// said in status.json, and `shoal machine start` does it.
#pragma once

#include "base/result.h"

#include <string>

namespace shoal::machine {

/// Of the process that makes the machine: it writes one byte when it has noted who process 1 is,
/// and reads a line: "ok", or what went wrong.
inline constexpr int go_descriptor = 0;
inline constexpr int report_descriptor = 3;

/// What the first process says of itself, in the machine's directory.
struct Status {
    bool daemon_runs = false;
    int exit_code = 0; ///< of the daemon that has ended
};
Result<Status> load_status(const std::string& directory);

/// Returns when the machine is to end; the exit code of the process.
int run_init(const std::string& directory);

} // namespace shoal::machine
