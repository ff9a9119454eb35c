// Processes that are not our children: found, watched and signalled by pidfd, so that a reused
// number is never hit. A process is identified for good by its number and its start time (field 22
// of /proc/<pid>/stat).
#pragma once

#include "base/clock.h"
#include "os/fd.h"

#include <cstdint>

#include <sys/types.h>

namespace shoal::os {

struct ProcessIdentity {
    pid_t pid = 0;
    std::uint64_t start_time = 0; ///< clock ticks since boot
    bool operator==(const ProcessIdentity&) const = default;
};

/// NotFound when there is no such process (a zombie counts as none).
Result<ProcessIdentity> identify_process(pid_t pid);
/// True while exactly this process lives (a zombie does not).
bool is_alive(const ProcessIdentity& process);

/// A pidfd of exactly this process; NotFound when it is gone or the number has a new owner.
Result<Fd> open_pidfd(const ProcessIdentity& process);
Result<Fd> open_pidfd(pid_t pid);
/// NotFound when the process has ended.
Result<void> send_signal(const Fd& pidfd, int signal);
/// True when the process behind a pidfd has ended; does not wait.
bool has_ended(const Fd& pidfd);
/// Waits for that; Timeout when the process still runs then.
Result<void> wait_for_exit(const Fd& pidfd, Deadline deadline);
/// What poll() takes for a deadline: milliseconds, rounded up; -1 for never.
int poll_timeout_ms(Deadline deadline);

} // namespace shoal::os
