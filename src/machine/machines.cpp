#include "machine/machines.h"

#include "base/undo.h"
#include "machine/groups.h"
#include "machine/switchboard.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/lock_file.h"
#include "os/mount.h"
#include "os/namespaces.h"
#include "os/pipe.h"
#include "os/unix_socket.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include <fcntl.h>
#include <unistd.h>

extern char** environ;

namespace shoal::machine {
namespace {

constexpr std::chrono::seconds death_patience{30}; ///< the kernel's, after SIGKILL
constexpr std::size_t log_tail_bytes = 2000;

bool runs(const Machine& machine) { return machine.first && os::is_alive(*machine.first); }

Error no_machine(const std::string& name) { return not_found("machine", name); }

Result<os::LockFile> lock(const std::string& root) {
    TRY(os::ensure_directory(root));
    return os::LockFile::wait_for(lock_file(root));
}

std::vector<std::string> environment() {
    std::vector<std::string> all;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        all.emplace_back(*entry);
    }
    return all;
}

bool answers(const std::string& socket) {
    const auto answer = os::ask_unix_socket(
        {socket, "GET /_ping HTTP/1.1\r\nHost: machine\r\nConnection: close\r\n\r\n"});
    return answer && answer->substr(0, answer->find('\n')).find(" 200") != std::string::npos;
}

} // namespace

std::string_view text_of(State state) {
    switch (state) {
    case State::Stopped:
        return "Stopped";
    case State::Running:
        return "Running";
    case State::DaemonEnded:
        return "DaemonEnded";
    }
    return "";
}

// --- what there is ---

Result<Machine> Machines::load(const std::string& name) const {
    TRY(check_name(name));
    const std::string file = paths_of(name).machine_file();
    if (!os::exists(file)) { return no_machine(name); }
    TRY_LET(json, load_json(file));
    return machine_of(json).with(file);
}

Result<std::vector<Machine>> Machines::load_all() const {
    std::vector<Machine> machines;
    if (!os::is_directory(settings_.root)) { return machines; }
    TRY_LET(entries, os::list_directory(settings_.root));
    for (const auto& entry : entries) {
        if (!check_name(entry.name) || !os::exists(paths_of(entry.name).machine_file())) {
            continue;
        }
        auto machine = load(entry.name);
        // One that goes at this moment is none.
        if (!machine && machine.error().code == Errc::NotFound) { continue; }
        if (!machine) { return std::move(machine).error(); }
        machines.push_back(std::move(*machine));
    }
    return machines;
}

Result<std::vector<Listed>> Machines::list() const {
    TRY_LET(machines, load_all());
    std::vector<Listed> listed;
    for (auto& machine : machines) {
        TRY_LET(one, find(machine.name));
        listed.push_back(std::move(one));
    }
    return listed;
}

Result<Listed> Machines::find(const std::string& name) const {
    TRY_LET(machine, load(name));
    Listed listed{std::move(machine), State::Stopped, paths_of(name).socket()};
    if (runs(listed.machine)) {
        const auto status = load_status(paths_of(name).directory());
        listed.state = status && !status->daemon_runs ? State::DaemonEnded : State::Running;
    }
    return listed;
}

Result<Switch> Machines::load_switch(const std::string& wanted_subnet) const {
    const std::string file = switch_file(settings_.root);
    if (os::exists(file)) {
        TRY_LET(json, load_json(file));
        TRY_LET(joined, switch_of(json));
        if (!wanted_subnet.empty() && wanted_subnet != joined.subnet.text()) {
            return conflict(fmt::format("the machines' subnet is {} until the last one is removed",
                                        joined.subnet.text()));
        }
        return joined;
    }
    Switch joined;
    TRY_LET(subnet, Subnet::parse(wanted_subnet.empty() ? default_subnet
                                                        : std::string_view(wanted_subnet)));
    joined.subnet = subnet;
    return joined;
}

// --- coming ---

Result<Machine> Machines::plan_machine(const Wanted& wanted, const Switch& joined) const {
    TRY(check_name(wanted.name));
    if (os::exists(paths_of(wanted.name).directory())) {
        return conflict(fmt::format("a machine with the name {} exists already", wanted.name));
    }
    if (paths_of(wanted.name).socket().size() > os::unix_path_max) {
        return invalid(fmt::format("the path of the socket would be longer than {} bytes: {}",
                                   os::unix_path_max, paths_of(wanted.name).socket()));
    }
    TRY_LET(machines, load_all());
    std::set<std::uint32_t> taken;
    for (const auto& machine : machines) { taken.insert(machine.number); }
    Machine machine;
    machine.name = wanted.name;
    machine.id = os::SystemRandom().hex(16);
    TRY_LET(number, choose_number(joined.subnet, taken));
    machine.number = number;
    TRY_LET(address, joined.subnet.address(number));
    machine.address = address;
    machine.created = os::SystemClock().now();
    machine.daemon = settings_.daemon;
    machine.disk_bytes = wanted.disk_bytes;
    return machine;
}

Result<void> Machines::write_disk(const Machine& machine, const std::string& config) const {
    const Paths paths = paths_of(machine.name);
    TRY(os::ensure_directory(paths.disk()));
    TRY(os::write_file_atomic(paths.config_file(), config.empty() ? "{}\n" : config));
    if (machine.disk_bytes > 0) {
        TRY_LET(image, os::open_file(paths.disk_image(), O_RDWR | O_CREAT | O_EXCL, 0600));
        if (::ftruncate(image.raw(), machine.disk_bytes) != 0) {
            return os_error("make the machine's disk", errno);
        }
        TRY_LET(made, os::run({"mkfs.ext4", "-q", "-F", "-m", "0", paths.disk_image()}));
        if (made.status.code != 0) { return internal("mkfs.ext4: " + made.err); }
    }
    return save_json(paths.machine_file(), to_json(machine));
}

Result<void> Machines::write_hosts() const {
    TRY_LET(machines, load_all());
    const std::string common = paths_of("x").common();
    TRY(os::ensure_directory(common));
    return os::write_file_atomic(common + "/hosts", hosts_text(machines));
}

Result<Machine> Machines::create(const Wanted& wanted) {
    const auto held = lock(settings_.root);
    if (!held) { return held.error(); }
    Undo undo;
    undo.add([this] { (void)remove_switch_when_last(); });
    TRY_LET(joined, load_switch(wanted.subnet));
    TRY_LET(machine, plan_machine(wanted, joined));
    TRY(save_json(switch_file(settings_.root), to_json(joined)));
    undo.add([&] { (void)remove_locked(machine); });
    TRY(write_disk(machine, wanted.config));
    TRY(write_hosts());
    TRY(start_locked(machine).with("start machine " + machine.name));
    undo.keep();
    return machine;
}

Result<void> Machines::start(const std::string& name) {
    const auto held = lock(settings_.root);
    if (!held) { return held.error(); }
    TRY_LET(listed, find(name));
    if (listed.state == State::DaemonEnded) {
        TRY_LET(first, os::open_pidfd(*listed.machine.first));
        TRY(os::remove_file(paths_of(name).status_file()));
        return os::send_signal(first, SIGUSR1);
    }
    if (listed.state == State::Running) { return ok(); }
    return start_locked(listed.machine).with("start machine " + name);
}

Result<void> Machines::start_locked(Machine machine) {
    TRY_LET(joined, load_switch(""));
    TRY(tidy_after(machine)); // of a power cut of the whole computer
    auto begun = begin(machine, joined);
    if (begun) { return ok(); }
    (void)cut_power({machine});
    Error error = std::move(begun).error();
    const std::string words = log_tail(machine.name).value_or("");
    if (!words.empty()) { error.message += "; its last words:\n" + words; }
    return error;
}

Result<void> Machines::begin(Machine& machine, const Switch& joined) {
    TRY_LET(board, Switchboard::open(switch_netns(settings_.root)));
    TRY_LET(layout, os::detect_cgroups());
    TRY(create_group(group_of(layout, machine)));
    const auto inside = [&] { return board.plug_here(machine, joined.subnet); };
    TRY(spawn_and_note(machine, inside));
    TRY_LET(machines, load_all());
    return board.apply_cuts(joined.cuts, machines);
}

Result<void> Machines::spawn_and_note(Machine& machine,
                                      const std::function<Result<void>()>& inside) {
    const Paths paths = paths_of(machine.name);
    TRY_LET(log, os::open_file(paths.log(), O_WRONLY | O_CREAT | O_APPEND, 0600));
    TRY_LET(go, os::make_pipe());
    TRY_LET(report, os::make_pipe());
    os::FirstProcess first;
    first.inside = inside;
    first.spawn.argv = {settings_.program, "machine", "__init", paths.directory()};
    first.spawn.stdin_fd = go.read_end.raw();
    first.spawn.stdout_fd = log.raw();
    first.spawn.stderr_fd = log.raw();
    first.spawn.fds = {{report.write_end.raw(), report_descriptor}};
    first.spawn.new_session = true;
    first.spawn.cwd = "/";
    TRY_LET(process, os::spawn_first(first));
    report.write_end.reset();
    go.read_end.reset();
    TRY_LET(identity, os::identify_process(process.pid()));
    machine.first = identity;
    TRY(save_json(paths.machine_file(), to_json(machine)));
    TRY(os::write_all(go.write_end, "g"));
    TRY_LET(said, os::read_all(report.read_end, 1 << 16));
    if (said == "ok\n") { return ok(); }
    return internal(said.empty() ? "its first process has ended" : std::string(trim(said)));
}

Result<std::string> Machines::log_tail(const std::string& name) const {
    TRY_LET(text, os::read_file(paths_of(name).log()));
    if (text.size() <= log_tail_bytes) { return text; }
    return text.substr(text.size() - log_tail_bytes);
}

Result<void> Machines::wait_until_ready(const std::string& name, Deadline deadline) const {
    TRY_LET(machine, load(name));
    if (!machine.first) { return conflict("machine " + name + " is not running"); }
    TRY_LET(first, os::open_pidfd(*machine.first));
    const auto ended = [&](const std::string& what) {
        return internal(fmt::format("{} of machine {} has ended; its last words:\n{}", what, name,
                                    log_tail(name).value_or("")));
    };
    while (true) {
        const auto status = load_status(paths_of(name).directory());
        if (status && !status->daemon_runs) { return ended("the daemon"); }
        if (status && answers(paths_of(name).socket())) { return ok(); }
        if (!deadline.is_never() && std::chrono::steady_clock::now() > deadline.at()) {
            return Error{Errc::Timeout, "the daemon of machine " + name + " does not answer"};
        }
        if (os::wait_for_exit(first, Deadline::in(std::chrono::milliseconds(10)))) {
            return ended("the first process");
        }
    }
}

// --- going ---

Result<void> Machines::stop(const std::string& name, std::chrono::seconds patience) {
    TRY_LET(before, load(name));
    if (runs(before)) {
        // Without the lock: others go on meanwhile.
        TRY_LET(first, os::open_pidfd(*before.first));
        TRY(os::send_signal(first, SIGTERM));
        (void)os::wait_for_exit(first, Deadline::in(patience));
    }
    const auto held = lock(settings_.root);
    if (!held) { return held.error(); }
    TRY_LET(machine, load(name));
    return cut_power({machine});
}

Result<void> Machines::kill(const std::vector<std::string>& names) {
    const auto held = lock(settings_.root);
    if (!held) { return held.error(); }
    std::vector<Machine> machines;
    for (const auto& name : names) {
        TRY_LET(machine, load(name));
        if (!runs(machine)) { return conflict("machine " + name + " is not running"); }
        machines.push_back(std::move(machine));
    }
    return cut_power(machines);
}

Result<void> Machines::cut_power(const std::vector<Machine>& machines) {
    std::vector<os::Fd> dying;
    for (const auto& machine : machines) {
        if (!machine.first) { continue; }
        auto first = os::open_pidfd(*machine.first);
        if (first && os::send_signal(*first, SIGKILL)) { dying.push_back(std::move(*first)); }
    }
    ErrorList failures;
    for (const auto& first : dying) {
        failures.add(os::wait_for_exit(first, Deadline::in(death_patience)));
    }
    for (const auto& machine : machines) { failures.add(tidy_after(machine)); }
    if (!failures.empty()) { return failures.joined(); }
    return ok();
}

/// Of one that does not run: nothing of it is left but its directory.
Result<void> Machines::tidy_after(const Machine& machine) const {
    ErrorList failures;
    const Paths paths = paths_of(machine.name);
    if (auto layout = os::detect_cgroups()) {
        failures.add(remove_group(group_of(*layout, machine)));
    }
    if (Switchboard::exists(switch_netns(settings_.root))) {
        auto board = Switchboard::open(switch_netns(settings_.root));
        failures.add(board ? board->unplug(machine) : Result<void>(board.error()));
    }
    failures.add(os::remove_file(paths.socket()));
    failures.add(os::remove_file(paths.status_file()));
    if (!failures.empty()) { return failures.joined(); }
    return ok();
}

Result<void> Machines::remove(const std::string& name, Force force) {
    const auto held = lock(settings_.root);
    if (!held) { return held.error(); }
    TRY_LET(machine, load(name));
    if (runs(machine) && force == Force::No) {
        return conflict("machine " + name + " is running: stop it first, or use force");
    }
    TRY(remove_locked(machine));
    return remove_switch_when_last();
}

Result<void> Machines::remove_locked(const Machine& machine) {
    // The one on disk knows its first process.
    auto known = load(machine.name);
    TRY(cut_power({known ? *known : machine}));
    if (os::exists(switch_file(settings_.root))) {
        TRY(change_cuts(
            [&](std::vector<Cut> cuts) { return without_machine(std::move(cuts), machine.name); }));
    }
    TRY(os::remove_tree(paths_of(machine.name).directory()));
    return write_hosts();
}

Result<void> Machines::remove_switch_when_last() {
    TRY_LET(machines, load_all());
    if (!machines.empty()) { return ok(); }
    ErrorList failures;
    failures.add(Switchboard::remove(switch_netns(settings_.root)));
    failures.add(os::remove_file(switch_file(settings_.root)));
    failures.add(os::remove_tree(paths_of("x").common()));
    // The lock stays: somebody may be waiting for it.
    if (!failures.empty()) { return failures.joined(); }
    return ok();
}

// --- partitions ---

Result<void>
Machines::change_cuts(const std::function<std::vector<Cut>(std::vector<Cut>)>& change) {
    TRY_LET(joined, load_switch(""));
    joined.cuts = change(std::move(joined.cuts));
    TRY_LET(machines, load_all());
    if (Switchboard::exists(switch_netns(settings_.root))) {
        TRY_LET(board, Switchboard::open(switch_netns(settings_.root)));
        TRY(board.apply_cuts(joined.cuts, machines));
    }
    return save_json(switch_file(settings_.root), to_json(joined));
}

Result<void> Machines::cut(const Cut& cut, Way way) {
    const auto held = lock(settings_.root);
    if (!held) { return held.error(); }
    TRY(load(cut.from));
    TRY(load(cut.to));
    if (cut.from == cut.to) { return invalid("a machine cannot be cut off from itself"); }
    return change_cuts([&](std::vector<Cut> cuts) { return with_cut(std::move(cuts), cut, way); });
}

Result<void> Machines::heal(const Cut& cut) {
    const auto held = lock(settings_.root);
    if (!held) { return held.error(); }
    TRY(load(cut.from));
    TRY(load(cut.to));
    return change_cuts([&](std::vector<Cut> cuts) { return without_cut(std::move(cuts), cut); });
}

Result<void> Machines::heal_all() {
    if (!os::exists(switch_file(settings_.root))) { return ok(); }
    const auto held = lock(settings_.root);
    if (!held) { return held.error(); }
    return change_cuts([](std::vector<Cut>) { return std::vector<Cut>{}; });
}

Result<std::vector<Cut>> Machines::cuts() const {
    TRY_LET(joined, load_switch(""));
    return joined.cuts;
}

// --- inside ---

Result<std::vector<std::string>> Machines::enter(const std::string& name,
                                                 const std::vector<std::string>& words) const {
    TRY_LET(machine, load(name));
    if (!runs(machine)) { return conflict("machine " + name + " is not running"); }
    TRY_LET(layout, os::detect_cgroups());
    TRY(join_group(group_of(layout, machine)));
    return enter_command(machine, words, environment());
}

} // namespace shoal::machine
