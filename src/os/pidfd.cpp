#include "os/pidfd.h"

#include "base/text.h"
#include "os/file.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

namespace shoal::os {

Result<ProcessIdentity> identify_process(pid_t pid) {
    auto gone = [pid] { return not_found("process", std::to_string(pid)); };
    if (pid <= 0) { return gone(); }
    auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
    if (!text) { return gone(); }
    // The name in brackets may hold anything: fields are counted from the last bracket.
    const auto bracket = text->rfind(')');
    if (bracket == std::string::npos) { return gone(); }
    const auto fields = split(std::string_view(*text).substr(bracket + 2), ' ');
    if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") { return gone(); }
    return ProcessIdentity{pid, parse_number<std::uint64_t>(fields[19]).value_or(0)};
}

bool is_alive(const ProcessIdentity& process) {
    auto now = identify_process(process.pid);
    return now && *now == process;
}

Result<Fd> open_pidfd(pid_t pid) {
    const auto raw = ::syscall(SYS_pidfd_open, pid, 0);
    if (raw < 0) {
        if (errno == ESRCH) { return not_found("process", std::to_string(pid)); }
        return os_error("pidfd_open " + std::to_string(pid), errno);
    }
    return Fd(static_cast<int>(raw));
}

Result<Fd> open_pidfd(const ProcessIdentity& process) {
    TRY_LET(fd, open_pidfd(process.pid));
    // Checked after opening: from here on the descriptor means one process, whatever becomes of the
    // number.
    if (!is_alive(process)) { return not_found("process", std::to_string(process.pid)); }
    return std::move(fd);
}

Result<void> send_signal(const Fd& pidfd, int signal) {
    if (::syscall(SYS_pidfd_send_signal, pidfd.raw(), signal, nullptr, 0) == 0) { return ok(); }
    if (errno == ESRCH) { return not_found("process", "behind the pidfd"); }
    return os_error("send signal " + std::to_string(signal), errno);
}

bool has_ended(const Fd& pidfd) {
    pollfd waiting{pidfd.raw(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) > 0;
}

int poll_timeout_ms(Deadline deadline) {
    if (deadline.is_never()) { return -1; }
    const auto left = deadline.at() - std::chrono::steady_clock::now();
    if (left <= left.zero()) { return 0; }
    const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::min<std::int64_t>(rounded, 1 << 30));
}

Result<void> wait_for_exit(const Fd& pidfd, Deadline deadline) {
    for (;;) {
        pollfd waiting{pidfd.raw(), POLLIN, 0};
        const int ready = ::poll(&waiting, 1, poll_timeout_ms(deadline));
        if (ready > 0) { return ok(); }
        if (ready == 0) { return Error{Errc::Timeout, "still runs"}; }
        if (errno != EINTR) { return os_error("poll", errno); }
    }
}

} // namespace shoal::os
