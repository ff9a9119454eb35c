// Starting other programs. Nothing but exec happens between fork and exec (vfork semantics), so
// that this is safe and fast from any thread. Every descriptor not asked for is closed in the
// child. It is not a shell: arguments are passed as they are.
#pragma once

#include "base/clock.h"
#include "os/fd.h"

#include <string>
#include <vector>

#include <sys/types.h>

namespace shoal::os {

/// How a process ended.
struct ExitStatus {
    int code = 0;   ///< of exit(); 128 + signal when a signal ended it
    int signal = 0; ///< 0, or the signal
    bool core = false;
    bool operator==(const ExitStatus&) const = default;
};
ExitStatus exit_status_of(int wait_status);

struct Spawn {
    std::vector<std::string> argv; ///< argv[0] is looked up in PATH when it has no slash
    std::vector<std::string> env;  ///< "K=V"; with inherit_env these are added
    bool inherit_env = true;
    std::string cwd;                                   ///< "" keeps the present one
    int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1; ///< -1 is /dev/null; not owned
    /// Further descriptors, {here, number in the child}; numbers from 3 on.
    std::vector<std::pair<int, int>> fds;
    bool new_session = false;     ///< setsid
    bool die_with_parent = false; ///< SIGKILL when the thread that spawned it ends
};

class Process {
  public:
    Process() = default;
    /// Fails with NotFound when there is no such program, Forbidden when it may not be executed.
    static Result<Process> spawn(const Spawn& spawn);

    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    /// Does not end and does not wait for the process: whoever needs that says so.
    ~Process() = default;

    pid_t pid() const { return pid_; }
    /// Readable when the process has ended; may be empty on kernels without pidfds.
    const Fd& pidfd() const { return pidfd_; }
    /// Waits until it ends, or Timeout (then it goes on running).
    Result<ExitStatus> wait(Deadline deadline = Deadline::never());
    Result<void> kill(int signal);

  private:
    pid_t pid_ = -1;
    Fd pidfd_;
};

struct Output {
    ExitStatus status;
    std::string out;
    std::string err;
};
struct Run {
    std::vector<std::string> argv;
    std::vector<std::string> env;
    std::string input;
    std::string cwd;
    Deadline deadline;
    std::size_t output_max = 16 * 1024 * 1024; ///< of each stream; more fails with Exhausted
};
/// Runs a program to its end and collects what it printed. A non-zero exit is not an Error here; on
/// Timeout the program is killed first.
Result<Output> run(const Run& run);
inline Result<Output> run(std::vector<std::string> argv, Deadline deadline = Deadline::never()) {
    Run job;
    job.argv = std::move(argv);
    job.deadline = deadline;
    return run(job);
}

/// The path of a program as execvp would find it, or NotFound.
Result<std::string> find_program(const std::string& name);

} // namespace shoal::os
