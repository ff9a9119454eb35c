#include "container/runtime.h"

#include "base/text.h"
#include "os/file.h"
#include "os/pidfd.h"
#include "os/process.h"

#include <csignal>
#include <cstring>
#include <map>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace shoal::container {
namespace {

constexpr auto command_limit = std::chrono::seconds(30);

/// crun and runc refuse to work while the v2 tree of a hybrid layout is mounted; the shim knows how
/// to hide it.
Result<os::Output> run_runtime(const Runtime& runtime, std::vector<std::string> arguments,
                               std::string input = "") {
    os::Run job;
    job.argv = {runtime.shim_path, "--runtime", runtime.path};
    job.argv.insert(job.argv.end(), runtime.args.begin(), runtime.args.end());
    job.argv.insert(job.argv.end(), {"--root", runtime.root});
    job.argv.insert(job.argv.end(), arguments.begin(), arguments.end());
    job.input = std::move(input);
    job.deadline = Deadline::in(command_limit);
    return os::run(job);
}

std::string last_words(const os::Output& output) {
    const std::string_view text = trim(output.err.empty() ? output.out : output.err);
    return std::string(text.substr(text.size() > 2048 ? text.size() - 2048 : 0));
}

/// A socket path may have 107 characters; longer ones go through the directory's descriptor.
Result<os::Fd> connect_in(const std::string& directory) {
    TRY_LET(place, os::open_file(directory, O_PATH | O_DIRECTORY));
    os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) { return os_error("socket", errno); }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path =
        "/proc/self/fd/" + std::to_string(place.raw()) + "/" + std::string(shim_socket_name);
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    if (::connect(socket.raw(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        Error error = os_error("connect to the monitor in " + directory, errno);
        if (error.os_errno == ECONNREFUSED) { error.code = Errc::Unavailable; }
        return error;
    }
    return socket;
}

} // namespace

Result<void> create_bundle(const std::string& directory, std::string_view spec) {
    TRY(os::ensure_directory(directory, 0700));
    for (const auto name :
         {shim_socket_name, shim_pid_name, shim_config_name, init_name, exit_name}) {
        TRY(os::remove_file(directory + "/" + std::string(name)));
    }
    return os::write_file_atomic(directory + "/config.json", spec, {.mode = 0600});
}

Result<ShimLink> spawn_shim(const Runtime& runtime, const ShimConfig& config) {
    TRY(os::ensure_directory(config.directory, 0700));
    TRY(os::ensure_directory(config.runtime_root, 0700));
    const std::string file = config.directory + "/" + std::string(shim_config_name);
    TRY(os::write_file_atomic(file, encode_shim_config(config), {.mode = 0600}));
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return os_error("socketpair", errno);
    }
    os::Fd ours(ends[0]);
    os::Fd theirs(ends[1]);
    os::Spawn spawn;
    spawn.argv = {runtime.shim_path, file};
    spawn.fds = {{theirs.raw(), 3}};
    spawn.new_session = true;
    spawn.cwd = "/";
    TRY_LET(process, os::Process::spawn(spawn));
    // The program forks at once and its first process ends: nothing of ours to reap remains.
    TRY_LET(status, process.wait(Deadline::in(command_limit)));
    if (status.code != 0) {
        return internal("monitor " + runtime.shim_path + " did not start: exit " +
                        std::to_string(status.code));
    }
    return ShimLink{std::move(ours)};
}

Result<ShimLink> connect_shim(const std::string& directory) {
    TRY_LET(socket, connect_in(directory));
    return ShimLink{std::move(socket)};
}

Result<ShimExit> read_exit(const std::string& directory) {
    TRY_LET(text, os::read_file(directory + "/" + std::string(exit_name), 64 * 1024));
    return parse_exit_json(text);
}

namespace {
/// The living process that `file` names by number and start time.
Result<os::ProcessIdentity> find_process(const std::string& file) {
    TRY_LET(text, os::read_file(file, 256));
    const auto [pid, start] = cut(trim(text), ' ');
    os::ProcessIdentity process{parse_number<pid_t>(pid).value_or(0),
                                parse_number<std::uint64_t>(start).value_or(0)};
    if (process.pid <= 0 || !os::is_alive(process)) { return not_found("process", trim(text)); }
    return process;
}
} // namespace

Result<os::ProcessIdentity> find_init(const std::string& directory) {
    return find_process(directory + "/" + std::string(init_name));
}

Result<void> end_run(const std::string& directory, Deadline deadline) {
    const auto end = [](const os::ProcessIdentity& process) {
        auto fd = os::open_pidfd(process);
        if (fd) { (void)os::send_signal(*fd, SIGKILL); }
    };
    if (auto init = find_init(directory)) { end(*init); }
    auto shim = find_process(directory + "/" + std::string(shim_pid_name));
    if (!shim) { return ok(); }
    auto fd = os::open_pidfd(*shim);
    if (!fd) { return ok(); } // gone meanwhile
    if (os::wait_for_exit(*fd, deadline)) { return ok(); }
    end(*shim);
    if (auto init = find_init(directory)) { end(*init); }
    return Error{Errc::Timeout, "monitor " + std::to_string(shim->pid) + " did not end by itself"};
}

namespace {
/// crun and runc keep nothing of a container without processes but a directory and the cgroup;
/// their `delete` would take longer than the container's whole start. Other runtimes (virtual
/// machines, user-space kernels) may keep more.
bool keeps_only_state(const Runtime& runtime) {
    const std::string_view name =
        std::string_view(runtime.path).substr(runtime.path.rfind('/') + 1);
    return name == "crun" || name == "runc";
}
} // namespace

Result<void> delete_container(const Runtime& runtime, const std::string& id,
                              const os::Cgroup& cgroup) {
    ErrorList errors;
    const std::string state = runtime.root + "/" + id;
    if (os::exists(state) && !keeps_only_state(runtime)) {
        auto output = run_runtime(runtime, {"delete", "--force", id});
        if (!output) {
            errors.add(std::move(output).error().with("delete container"));
        } else if (output->status.code != 0 && os::exists(state)) {
            errors.add(internal("delete container: " + last_words(*output)));
        }
    }
    if (cgroup.exists()) {
        (void)cgroup.kill_all();
        errors.add(cgroup.remove());
    }
    if (keeps_only_state(runtime)) { errors.add(os::remove_tree(state)); }
    if (errors.empty()) { return ok(); }
    return errors.joined();
}

Result<void> pause_container(const os::Cgroup& cgroup) { return cgroup.set_frozen(true); }
Result<void> resume_container(const os::Cgroup& cgroup) { return cgroup.set_frozen(false); }

Result<void> signal_container(const os::ProcessIdentity& init, int signal) {
    TRY_LET(fd, os::open_pidfd(init));
    return os::send_signal(fd, signal);
}

Result<void> update_container(const Runtime& runtime, const std::string& id,
                              const Json& oci_resources) {
    TRY_LET(output,
            run_runtime(runtime, {"update", "--resources", "-", id}, dump_json(oci_resources)));
    if (output.status.code != 0) { return internal(last_words(output)); }
    return ok();
}

namespace {
/// The system's words in lower case, as Docker's programs print them: clients tell failures apart
/// by them.
std::string lower_reasons(std::string_view text) {
    std::string all(text);
    for (const char* words : {"No such file or directory", "Permission denied", "Is a directory"}) {
        all = replace_all(all, words, to_lower(words));
    }
    return all;
}

/// runc's log lines are key="value"; the last message is what counts. crun's are the bare sentence.
std::string last_message(std::string_view text) {
    constexpr std::string_view key = " msg=\"";
    const auto at = text.rfind(key);
    if (at == std::string_view::npos) { return std::string(text); }
    std::string message;
    for (std::size_t i = at + key.size(); i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) { ++i; }
        message.push_back(text[i]);
    }
    return message;
}
} // namespace

StartFailure translate_runtime_error(std::string_view log, std::string_view command,
                                     ShimConfig::Mode mode) {
    const std::string text = last_message(log);
    const std::string task = "failed to create task for container: ";
    if (text.starts_with(log_failure_prefix)) { return {128, internal(task + text)}; }
    const std::string lower = to_lower(text);
    const auto says = [&](std::string_view part) { return lower.find(part) != std::string::npos; };
    const std::string prefix = mode == ShimConfig::Mode::Exec
                                   ? "OCI runtime exec failed: exec failed: "
                                   : task + "OCI runtime create failed: ";
    StartFailure failure;
    const std::string program(command);
    if (says("executable file") && says("not found")) {
        failure.exit_code = 127;
        const std::string reason = program.find('/') == std::string::npos
                                       ? "executable file not found in $PATH"
                                       : "stat " + program + ": no such file or directory";
        failure.error = invalid(prefix + "exec: \"" + program + "\": " + reason);
    } else if (says("no such file or directory")) {
        failure.exit_code = 127;
        failure.error = invalid(prefix + lower_reasons(text));
    } else if (says("not a directory")) {
        failure.exit_code = 127;
        // crun names the place inside without its first slash.
        std::string reason =
            replace_all(replace_all(text, "` to `/", "` to `"), "` to `", "` to `/");
        reason +=
            ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists "
            "and is the expected type";
        failure.error = invalid(prefix + reason);
    } else if (says("open executable: operation not permitted") ||
               says("open executable: permission denied")) {
        // crun's words for a directory or a file that may not be run
        failure.exit_code = 126;
        failure.error = invalid(prefix + "exec: \"" + program + "\": permission denied");
    } else if (says("permission denied") || says("is a directory")) {
        failure.exit_code = 126;
        failure.error = invalid(prefix + lower_reasons(text));
    } else {
        failure.error = internal(prefix + text);
    }
    return failure;
}

// --- signals ---

namespace {

const std::map<std::string, int>& signal_numbers() {
    static const std::map<std::string, int> numbers = {
        {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},       {"CHLD", SIGCHLD},
        {"CLD", SIGCHLD},  {"CONT", SIGCONT}, {"FPE", SIGFPE},       {"HUP", SIGHUP},
        {"ILL", SIGILL},   {"INT", SIGINT},   {"IO", SIGIO},         {"IOT", SIGIOT},
        {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"POLL", SIGPOLL},     {"PROF", SIGPROF},
        {"PWR", SIGPWR},   {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV},     {"STKFLT", SIGSTKFLT},
        {"STOP", SIGSTOP}, {"SYS", SIGSYS},   {"TERM", SIGTERM},     {"TRAP", SIGTRAP},
        {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},
        {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH},
        {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}};
    return numbers;
}

constexpr int realtime_first = 34; // what the C library leaves of the kernel's 32
constexpr int realtime_last = 64;

} // namespace

int parse_signal(std::string_view text) {
    if (const auto number = parse_number<int>(text)) {
        return *number > 0 && *number <= realtime_last ? *number : 0;
    }
    std::string name = to_upper(text);
    if (name.starts_with("SIG")) { name.erase(0, 3); }
    const auto& numbers = signal_numbers();
    if (const auto found = numbers.find(name); found != numbers.end()) { return found->second; }
    const bool from_min = name.starts_with("RTMIN");
    if (!from_min && !name.starts_with("RTMAX")) { return 0; }
    const std::string_view rest = std::string_view(name).substr(5);
    int offset = 0;
    if (!rest.empty()) {
        const auto parsed = parse_number<int>(rest.substr(1));
        if (!parsed || rest.front() != (from_min ? '+' : '-')) { return 0; }
        offset = *parsed;
    }
    const int number = from_min ? realtime_first + offset : realtime_last - offset;
    return number >= realtime_first && number <= realtime_last ? number : 0;
}

std::string signal_name(int signal) {
    for (const auto& [name, number] : signal_numbers()) {
        if (number == signal && name != "CLD" && name != "IOT" && name != "POLL") {
            return "SIG" + name;
        }
    }
    return std::to_string(signal);
}

} // namespace shoal::container
