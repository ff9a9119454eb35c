#include "machine/init.h"

#include "base/json.h"
#include "machine/groups.h"
#include "machine/paths.h"
#include "machine/plan.h"
#include "machine/root.h"
#include "os/file.h"
#include "os/namespaces.h"
#include "os/process.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace shoal::machine {
namespace {

constexpr std::chrono::seconds daemon_patience{60}; ///< for an orderly end
constexpr std::chrono::seconds others_patience{5};

std::vector<std::string> environment() {
    std::vector<std::string> all;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        all.emplace_back(*entry);
    }
    return all;
}

class Init {
  public:
    explicit Init(Paths paths) : paths_(std::move(paths)) {}

    Result<void> begin() {
        TRY_LET(json, load_json(paths_.machine_file()));
        TRY_LET(machine, machine_of(json));
        machine_ = machine;
        TRY(os::set_host_name(machine_.name));
        TRY(make_root());
        TRY(write_etc());
        return start_daemon();
    }

    /// Until SIGTERM.
    void serve() {
        while (true) {
            switch (::sigwaitinfo(&signals(), nullptr)) {
            case SIGTERM:
                return;
            case SIGCHLD:
                bury();
                break;
            case SIGUSR1:
                if (daemon_ == 0) { complain(start_daemon()); }
                break;
            default:
                break;
            }
        }
    }

    void shut_down() {
        if (daemon_ != 0) { (void)::kill(daemon_, SIGTERM); }
        wait_until([this] { return daemon_ == 0; }, daemon_patience);
        (void)::kill(-1, SIGTERM);
        wait_until([this] { return alone_; }, others_patience);
        ::sync();
    }

    static const sigset_t& signals() {
        static const sigset_t set = [] {
            sigset_t all;
            sigemptyset(&all);
            for (const int signal : {SIGTERM, SIGCHLD, SIGUSR1}) { sigaddset(&all, signal); }
            return all;
        }();
        return set;
    }

  private:
    Result<void> mount_disk() {
        if (machine_.disk_bytes == 0) { return ok(); }
        TRY_LET(done, os::run({"mount", "-o", "loop", paths_.disk_image(), paths_.disk()}));
        if (done.status.code != 0) { return internal("mount the machine's disk: " + done.err); }
        return ok();
    }

    Result<void> make_root() {
        TRY(mount_disk());
        TRY(os::ensure_directory(paths_.etc()));
        TRY(os::ensure_directory(paths_.etc() + ".work"));
        for (const auto& folder : disk_folders()) {
            TRY(os::ensure_directory(paths_.disk() + "/" + folder));
        }
        if (::chmod((paths_.disk() + "/var/tmp").c_str(), 01777) != 0) {
            return os_error("chmod /var/tmp", errno);
        }
        RootInput input;
        input.directory = paths_.directory();
        input.disk = paths_.disk();
        input.etc = paths_.etc();
        input.common = paths_.common();
        input.daemon_folder = machine_.daemon.substr(0, machine_.daemon.rfind('/'));
        TRY_LET(top, load_top());
        input.top = top;
        TRY_LET(layout, os::detect_cgroups());
        input.cgroups = layout;
        TRY(join_group(group_of(layout, machine_)));
        TRY(os::enter_new_cgroup_namespace());
        TRY(build_root(paths_.root(), plan_root(input)));
        TRY(os::change_root(paths_.root()));
        return open_root_group(layout);
    }

    Result<void> write_etc() const {
        TRY(os::write_file_atomic("/etc/hostname", machine_.name + "\n"));
        TRY(os::write_file_atomic("/etc/machine-id", machine_.id + "\n"));
        TRY(os::write_file_atomic("/etc/resolv.conf", "# no name server is reached from here\n"));
        TRY(os::remove_file("/etc/hosts"));
        const std::string hosts = std::string(common_inside) + "/hosts";
        if (::symlink(hosts.c_str(), "/etc/hosts") != 0) {
            return os_error("make /etc/hosts", errno);
        }
        return ok();
    }

    Result<void> start_daemon() {
        os::Spawn spawn;
        spawn.argv = daemon_command(machine_);
        spawn.env = environment_inside(machine_, environment());
        spawn.inherit_env = false;
        spawn.cwd = "/";
        spawn.stdout_fd = STDOUT_FILENO;
        spawn.stderr_fd = STDERR_FILENO;
        spawn.new_session = true;
        TRY_LET(process, os::Process::spawn(spawn));
        daemon_ = process.pid();
        return say({{"daemon", "running"}});
    }

    /// The directory is at the same path inside only under its other name.
    static Result<void> say(const Json& status) {
        return save_json(std::string(shared_inside) + "/status.json", status);
    }

    void bury() {
        int status = 0;
        pid_t pid = 0;
        while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
            if (pid == daemon_) { daemon_has_ended(os::exit_status_of(status).code); }
        }
        alone_ = pid < 0 && errno == ECHILD;
    }

    void daemon_has_ended(int code) {
        daemon_ = 0;
        complain(say({{"daemon", "ended"}, {"code", code}}));
        complain(internal(fmt::format("the daemon has ended with {}", code)));
    }

    static void complain(const Result<void>& result) {
        if (result) { return; }
        const std::string line = "machine: " + result.error().message + "\n";
        (void)!::write(STDERR_FILENO, line.data(), line.size());
    }

    template <class Condition> void wait_until(Condition is_so, std::chrono::seconds patience) {
        const auto end = std::chrono::steady_clock::now() + patience;
        bury();
        while (!is_so() && std::chrono::steady_clock::now() < end) {
            const timespec tenth{0, 100'000'000};
            (void)::sigtimedwait(&signals(), nullptr, &tenth);
            bury();
        }
    }

    Paths paths_;
    Machine machine_;
    pid_t daemon_ = 0;
    bool alone_ = false;
};

void report(const std::string& line) {
    (void)!::write(report_descriptor, line.data(), line.size());
    (void)::close(report_descriptor);
}

bool may_go() {
    char byte = 0;
    return ::read(go_descriptor, &byte, 1) == 1;
}

} // namespace

Result<Status> load_status(const std::string& directory) {
    TRY_LET(json, load_json(directory + "/status.json"));
    Status status;
    status.daemon_runs = json.is_object() && json.value("daemon", "") == "running";
    if (json.is_object() && json.contains("code") && json["code"].is_number_integer()) {
        status.exit_code = json["code"].get<int>();
    }
    return status;
}

int run_init(const std::string& directory) {
    (void)::sigprocmask(SIG_BLOCK, &Init::signals(), nullptr);
    if (!may_go()) { return 1; }
    Init init{Paths::of_directory(directory)};
    if (auto begun = init.begin(); !begun) {
        report(begun.error().message + "\n");
        return 1;
    }
    report("ok\n");
    init.serve();
    init.shut_down();
    return 0;
}

} // namespace shoal::machine
