#include "shim_runtime.h"

#include "base/text.h"
#include "os/file.h"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shoal::shim {

bool enter_runtime_view() {
    struct statfs status {};
    const char* unified = "/sys/fs/cgroup/unified";
    if (::statfs(unified, &status) != 0 || status.f_type != CGROUP2_SUPER_MAGIC) { return true; }
    // Slave first: the unmount below must not travel back. All other mounts keep their propagation.
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("none", "/sys/fs/cgroup", nullptr, MS_SLAVE, nullptr) == 0 &&
           ::umount2(unified, MNT_DETACH) == 0;
}

namespace {

void reset_signals() {
    for (int signal = 1; signal < NSIG; ++signal) { (void)::signal(signal, SIG_DFL); }
    sigset_t none;
    sigemptyset(&none);
    (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool place(int source, int target) {
    if (source < 0) {
        const int null = ::open("/dev/null", O_RDWR);
        const bool good = null >= 0 && ::dup2(null, target) >= 0;
        if (null > 2) { ::close(null); }
        return good;
    }
    return ::dup2(source, target) >= 0;
}

[[noreturn]] void run_child(const std::vector<char*>& argv, Streams streams) {
    reset_signals();
    const bool held = streams.held < 0 || ::dup2(streams.held, 3) >= 0;
    if (held && place(streams.in, 0) && place(streams.out, 1) && place(streams.err, 2) &&
        enter_runtime_view()) {
        ::execv(argv[0], argv.data());
    }
    ::_exit(errno == ENOENT ? 127 : 126);
}

} // namespace

int run_program(const std::vector<std::string>& argv, Streams streams) {
    std::vector<char*> pointers;
    for (const auto& argument : argv) { pointers.push_back(const_cast<char*>(argument.c_str())); }
    pointers.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) { return -1; }
    if (pid == 0) { run_child(pointers, streams); }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) { return -1; }
    }
    return status;
}

namespace {
std::string log_path(const container::ShimConfig& config) {
    return config.directory + "/runtime.log";
}
} // namespace

std::vector<std::string> runtime_command(const container::ShimConfig& config) {
    std::vector<std::string> command{config.runtime};
    command.insert(command.end(), config.runtime_args.begin(), config.runtime_args.end());
    for (const auto& part : {std::string("--log"), log_path(config), std::string("--log-format"),
                             std::string("text"), std::string("--root"), config.runtime_root}) {
        command.push_back(part);
    }
    return command;
}

std::string take_runtime_error(const container::ShimConfig& config) {
    auto text = os::read_file(log_path(config), 1024 * 1024);
    (void)os::remove_file(log_path(config));
    if (!text) { return ""; }
    std::string_view words = trim(*text);
    if (words.size() > 4096) { words = words.substr(words.size() - 4096); }
    return std::string(words);
}

namespace {

/// crun's created containers wait in a read of this fifo; its `start` does no more than write to
/// it.
bool start_by_fifo(const container::ShimConfig& config) {
    const std::string path = config.runtime_root + "/" + config.container_id + "/exec.fifo";
    const int raw = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (raw < 0) { return false; } // no such fifo, or nobody reads: another runtime's way
    const os::Fd fifo(raw);
    ::unlink(path.c_str());
    return ::write(fifo.raw(), "1", 1) == 1;
}

} // namespace

Result<void> start_created(const container::ShimConfig& config) {
    if (start_by_fifo(config)) { return ok(); }
    auto command = runtime_command(config);
    command.push_back("start");
    command.push_back(config.container_id);
    const int status = run_program(command, {});
    if (status == 0) { return ok(); }
    std::string error = take_runtime_error(config);
    if (error.empty()) {
        error = config.runtime + " start failed with wait status " + std::to_string(status);
    }
    return internal(error);
}

} // namespace shoal::shim
