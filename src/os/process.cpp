#include "os/process.h"

#include "base/text.h"
#include "os/file.h"
#include "os/pidfd.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace shoal::os {
namespace {

constexpr std::size_t child_stack_bytes = 64 * 1024;

/// Everything the child needs, made before it exists: between clone and exec only system calls
/// happen.
struct Child {
    std::string program;
    std::vector<char*> argv;
    std::vector<char*> env;
    const char* cwd = nullptr;
    std::vector<std::pair<int, int>> fds; ///< {source, target}, stdio included
    std::vector<int> moved;               ///< room for the sources out of the targets' way
    int above = 3;                        ///< no target is this high
    bool new_session = false;
    bool die_with_parent = false;
    int failed = 0; ///< errno of the child, written through the shared memory
    const char* failed_at = "";
};

[[noreturn]] void give_up(Child& child, const char* at) {
    child.failed = errno;
    child.failed_at = at;
    ::_exit(127);
}

void reset_signals() {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) { (void)::sigaction(signal, &standard, nullptr); }
    sigset_t none;
    sigemptyset(&none);
    (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

int run_child(void* argument) {
    Child& child = *static_cast<Child*>(argument);
    reset_signals();
    if (child.new_session && ::setsid() < 0) { give_up(child, "setsid"); }
    if (child.die_with_parent && ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        give_up(child, "prctl");
    }
    for (std::size_t i = 0; i < child.fds.size(); ++i) {
        child.moved[i] = ::fcntl(child.fds[i].first, F_DUPFD_CLOEXEC, child.above);
        if (child.moved[i] < 0) { give_up(child, "dup"); }
    }
    // Without it (kernels before 5.11) our own close-on-exec habit still holds.
    (void)::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    for (std::size_t i = 0; i < child.fds.size(); ++i) {
        if (::dup2(child.moved[i], child.fds[i].second) < 0) { give_up(child, "dup2"); }
    }
    if (child.cwd != nullptr && ::chdir(child.cwd) != 0) { give_up(child, "chdir"); }
    ::execve(child.program.c_str(), child.argv.data(), child.env.data());
    give_up(child, "exec");
}

std::vector<std::string> environment_of(const Spawn& spawn) {
    std::vector<std::string> all;
    auto put = [&all](std::string_view entry) {
        const auto name = entry.substr(0, entry.find('='));
        for (auto& have : all) {
            if (have.size() > name.size() && have[name.size()] == '=' && have.starts_with(name)) {
                have = std::string(entry);
                return;
            }
        }
        all.emplace_back(entry);
    };
    if (spawn.inherit_env) {
        for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
            all.emplace_back(*entry);
        }
    }
    for (const auto& entry : spawn.env) { put(entry); }
    return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (auto& text : texts) { pointers.push_back(text.data()); }
    pointers.push_back(nullptr);
    return pointers;
}

Error spawn_error(const std::string& program, const Child& child) {
    const std::string what = "run " + program;
    if (child.failed == EACCES && std::string_view(child.failed_at) == "exec") {
        return {Errc::Forbidden, what + ": permission denied", EACCES};
    }
    return os_error(what + ": " + child.failed_at, child.failed);
}

} // namespace

ExitStatus exit_status_of(int wait_status) {
    ExitStatus status;
    if (WIFSIGNALED(wait_status)) {
        status.signal = WTERMSIG(wait_status);
        status.code = 128 + status.signal;
        status.core = WCOREDUMP(wait_status);
    } else {
        status.code = WEXITSTATUS(wait_status);
    }
    return status;
}

Result<std::string> find_program(const std::string& name) {
    if (name.empty()) { return invalid("run: no program named"); }
    if (name.find('/') != std::string::npos) {
        if (!exists(name)) { return Error{Errc::NotFound, "no such program: " + name, ENOENT}; }
        return name;
    }
    const char* path = std::getenv("PATH");
    for (const auto& directory :
         split(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", ':')) {
        const std::string candidate = (directory.empty() ? "." : directory) + "/" + name;
        if (::access(candidate.c_str(), X_OK) == 0 && !is_directory(candidate)) {
            return candidate;
        }
    }
    return Error{Errc::NotFound, "no such program: " + name, ENOENT};
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

Process& Process::operator=(Process&& other) noexcept {
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
    return *this;
}

Result<Process> Process::spawn(const Spawn& spawn) {
    if (spawn.argv.empty()) { return invalid("run: no program named"); }
    Child child;
    TRY_LET(program, find_program(spawn.argv[0]));
    child.program = program;
    std::vector<std::string> arguments = spawn.argv;
    std::vector<std::string> environment = environment_of(spawn);
    child.argv = pointers_to(arguments);
    child.env = pointers_to(environment);
    child.cwd = spawn.cwd.empty() ? nullptr : spawn.cwd.c_str();
    child.new_session = spawn.new_session;
    child.die_with_parent = spawn.die_with_parent;

    TRY_LET(null, open_file("/dev/null", O_RDWR));
    const std::array<int, 3> stdio{spawn.stdin_fd, spawn.stdout_fd, spawn.stderr_fd};
    for (int i = 0; i < 3; ++i) {
        const int source = stdio[static_cast<std::size_t>(i)];
        child.fds.emplace_back(source >= 0 ? source : null.raw(), i);
    }
    for (const auto& pair : spawn.fds) {
        child.fds.push_back(pair);
        child.above = std::max(child.above, pair.second + 1);
    }
    child.moved.resize(child.fds.size());

    void* stack = ::mmap(nullptr, child_stack_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) { return os_error("run " + program + ": mmap", errno); }
    // No handler of ours may run in the child while it shares our memory.
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    int pidfd = -1;
    const int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
    char* top = static_cast<char*>(stack) + child_stack_bytes;
    int pid = ::clone(run_child, top, flags | CLONE_PIDFD, &child, &pidfd);
    if (pid < 0 && errno == EINVAL) {
        pidfd = -1;
        pid = ::clone(run_child, top, flags, &child);
    }
    const int clone_errno = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::munmap(stack, child_stack_bytes);
    if (pid < 0) { return os_error("run " + program + ": clone", clone_errno); }

    Process process;
    process.pid_ = pid;
    process.pidfd_ = Fd(pidfd);
    if (child.failed != 0) {
        (void)process.wait();
        return spawn_error(program, child);
    }
    return process;
}

Result<ExitStatus> Process::wait(Deadline deadline) {
    if (!deadline.is_never() && pidfd_) {
        TRY(wait_for_exit(pidfd_, deadline).with("process " + std::to_string(pid_)));
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
        if (errno != EINTR) { return os_error("wait for process " + std::to_string(pid_), errno); }
    }
    return exit_status_of(status);
}

Result<void> Process::kill(int signal) {
    if (pidfd_) { return send_signal(pidfd_, signal); }
    if (::kill(pid_, signal) == 0) { return ok(); }
    return os_error("kill " + std::to_string(pid_), errno);
}

namespace {

struct Pipe {
    Fd read, write;
};
Result<Pipe> make_pipe() {
    std::array<int, 2> raw{};
    if (::pipe2(raw.data(), O_CLOEXEC) != 0) { return os_error("pipe", errno); }
    return Pipe{Fd(raw[0]), Fd(raw[1])};
}

/// Feeds input and collects output until every pipe has ended.
class Exchange {
  public:
    Exchange(const Run& job, Fd in, Fd out, Fd err)
        : job_(job), in_(std::move(in)), out_(std::move(out)), err_(std::move(err)) {
        for (const Fd* fd : {&in_, &out_, &err_}) {
            (void)::fcntl(fd->raw(), F_SETFL, ::fcntl(fd->raw(), F_GETFL) | O_NONBLOCK);
        }
        if (job.input.empty()) { in_.reset(); }
    }

    Result<void> pump(Output& output) {
        while (in_ || out_ || err_) {
            std::array<pollfd, 3> waiting{
                {{in_.raw(), POLLOUT, 0}, {out_.raw(), POLLIN, 0}, {err_.raw(), POLLIN, 0}}};
            const int ready =
                ::poll(waiting.data(), waiting.size(), poll_timeout_ms(job_.deadline));
            if (ready == 0) { return Error{Errc::Timeout, job_.argv[0] + ": took too long"}; }
            if (ready < 0 && errno != EINTR) { return os_error("poll", errno); }
            if (waiting[0].revents != 0) { feed(); }
            if (waiting[1].revents != 0) { TRY(collect(out_, output.out)); }
            if (waiting[2].revents != 0) { TRY(collect(err_, output.err)); }
        }
        return ok();
    }

  private:
    void feed() {
        const auto done =
            ::write(in_.raw(), job_.input.data() + written_, job_.input.size() - written_);
        if (done < 0 && (errno == EAGAIN || errno == EINTR)) { return; }
        if (done > 0) { written_ += static_cast<std::size_t>(done); }
        // A reader that closed its end early has read what it wanted.
        if (done < 0 || written_ == job_.input.size()) { in_.reset(); }
    }
    Result<void> collect(Fd& from, std::string& into) {
        std::array<char, 16384> buffer;
        const auto got = ::read(from.raw(), buffer.data(), buffer.size());
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) { return ok(); }
        if (got <= 0) {
            from.reset();
            return ok();
        }
        if (into.size() + static_cast<std::size_t>(got) > job_.output_max) {
            return Error{Errc::Exhausted, job_.argv[0] + ": printed too much"};
        }
        into.append(buffer.data(), static_cast<std::size_t>(got));
        return ok();
    }

    const Run& job_;
    Fd in_, out_, err_;
    std::size_t written_ = 0;
};

} // namespace

Result<Output> run(const Run& job) {
    TRY_LET(in, make_pipe());
    TRY_LET(out, make_pipe());
    TRY_LET(err, make_pipe());
    Spawn spawn;
    spawn.argv = job.argv;
    spawn.env = job.env;
    spawn.cwd = job.cwd;
    spawn.stdin_fd = in.read.raw();
    spawn.stdout_fd = out.write.raw();
    spawn.stderr_fd = err.write.raw();
    TRY_LET(process, Process::spawn(spawn));
    in.read.reset();
    out.write.reset();
    err.write.reset();
    // The write to a program that has gone must not end us; SIGPIPE is for this thread and taken
    // away again.
    sigset_t pipe_signal, before;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    Output output;
    auto pumped =
        Exchange(job, std::move(in.write), std::move(out.read), std::move(err.read)).pump(output);
    const timespec now{};
    while (::sigtimedwait(&pipe_signal, nullptr, &now) > 0) {}
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    auto status =
        pumped ? process.wait(job.deadline) : Result<ExitStatus>(std::move(pumped).error());
    if (!status) {
        (void)process.kill(SIGKILL);
        (void)process.wait();
        return std::move(status).error();
    }
    output.status = *status;
    return output;
}

} // namespace shoal::os
