#include "os/lock_file.h"

#include "base/text.h"
#include "os/file.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace shoal::os {
namespace {

std::string program_of(const std::string& pid) {
    return read_file("/proc/" + pid + "/comm").value_or("");
}

} // namespace

Result<LockFile> LockFile::acquire(const std::string& path) {
    TRY_LET(fd, open_file(path, O_RDWR | O_CREAT, 0600));
    if (flock(fd.raw(), LOCK_EX | LOCK_NB) == 0) { return LockFile(std::move(fd)); }
    if (errno == EWOULDBLOCK) { return conflict(path + " is locked by another process"); }
    return os_error("lock " + path, errno);
}

Result<LockFile> LockFile::wait_for(const std::string& path) {
    TRY_LET(fd, open_file(path, O_RDWR | O_CREAT, 0600));
    while (flock(fd.raw(), LOCK_EX) != 0) {
        if (errno != EINTR) { return os_error("lock " + path, errno); }
    }
    return LockFile(std::move(fd));
}

Result<PidFile> PidFile::create(const std::string& path) {
    auto text = read_file(path, 64);
    const auto pid = text ? parse_number<pid_t>(trim(*text)) : std::nullopt;
    if (pid && *pid != getpid()) {
        const auto program = program_of(std::to_string(*pid));
        if (!program.empty() && program == program_of("self")) {
            return conflict(path + ": process " + std::to_string(*pid) + " is still running");
        }
    }
    TRY(write_file_atomic(path, std::to_string(getpid()) + "\n"));
    return PidFile(path);
}

PidFile::~PidFile() {
    if (path_.empty()) { return; }
    const auto text = read_file(path_, 64);
    if (text && trim(*text) == std::to_string(getpid())) { (void)remove_file(path_); }
}

} // namespace shoal::os
