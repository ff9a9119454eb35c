// `shoal machine`: full nodes on this computer, for trying and testing clusters. The work is done
// in machine/; here are flags, tables and the environment.
#include "machine/machines.h"

#include "cli/commands.h"
#include "cli/formats.h"
#include "cli/listing.h"
#include "cli/support.h"

#include "base/text.h"
#include "os/file.h"
#include "os/process.h"

#include <fmt/format.h>

#include <filesystem>

#include <unistd.h>

namespace shoal::cli {
namespace {

using machine::Machines;

constexpr std::string_view default_root = "/var/lib/shoal/machines";
constexpr std::chrono::seconds ready_patience{60};
constexpr std::int64_t disk_bytes_min = 32 << 20;

Result<std::string> own_program() {
    std::error_code failure;
    const auto path = std::filesystem::read_symlink("/proc/self/exe", failure);
    if (failure) { return os_error("find this program", failure.value()); }
    return path.string();
}

std::string absolute(const std::string& path) {
    std::string text = std::filesystem::absolute(path).lexically_normal().string();
    while (text.size() > 1 && text.ends_with('/')) { text.pop_back(); }
    return text;
}

Result<Machines> machines() {
    if (::geteuid() != 0) { return Error{Errc::Forbidden, "machines need the rights of root"}; }
    machine::Settings settings;
    const std::string root = env("SHOAL_MACHINE_ROOT"), daemon = env("SHOAL_DAEMON");
    settings.root = absolute(root.empty() ? std::string(default_root) : root);
    TRY_LET(program, own_program());
    settings.program = program;
    TRY_LET(found, os::find_program(daemon.empty() ? daemon_program() : daemon));
    settings.daemon = absolute(found);
    return Machines(std::move(settings));
}

using NameAction = std::function<Result<void>(const std::string& name)>;
/// One after the other; the names of those that went well are printed.
Result<int> for_each(App& app, const std::vector<std::string>& names, const NameAction& action) {
    int code = 0;
    for (const auto& name : names) {
        if (auto done = action(name); !done) {
            app.error_line(done.error().message);
            code = App::failed;
            continue;
        }
        app.line(name);
    }
    return code;
}

Deadline ready_deadline() { return Deadline::in(ready_patience); }

// --- create ---

constexpr Flag create_flags_of_machine[] = {
    {"config", 0, Kind::Text, "File with the options of its daemon (daemon.json)", "", "file"},
    {"disk", 0, Kind::Bytes, "Size of a disk of its own (default: no limit)", "", "bytes"},
    {"subnet", 0, Kind::Text,
     "Network of all machines, when this is the first (default 198.18.0.0/24)", "", "subnet"},
};

Result<machine::Wanted> wanted_of(const Parsed& parsed) {
    machine::Wanted wanted;
    wanted.subnet = parsed.text("subnet");
    if (parsed.given("disk")) {
        wanted.disk_bytes = parsed.bytes("disk");
        if (wanted.disk_bytes < disk_bytes_min) {
            return invalid(fmt::format("--disk: at least {}",
                                       human_size_binary(static_cast<double>(disk_bytes_min))));
        }
    }
    if (parsed.given("config")) {
        TRY_LET(text, os::read_file(parsed.text("config"), 1 << 20));
        TRY(parse_json(text).with(parsed.text("config")));
        wanted.config = text;
    }
    return wanted;
}

Result<int> create(App& app, const Parsed& parsed) {
    TRY_LET(all, machines());
    TRY_LET(wanted, wanted_of(parsed));
    std::vector<std::string> made;
    int code = 0;
    // All begin before the first is waited for.
    for (const auto& name : parsed.words) {
        wanted.name = name;
        if (auto machine = all.create(wanted); !machine) {
            app.error_line(machine.error().message);
            code = App::failed;
            continue;
        }
        made.push_back(name);
    }
    TRY_LET(waited, for_each(app, made, [&all](const std::string& name) {
                auto ready = all.wait_until_ready(name, ready_deadline());
                if (!ready) { (void)all.remove(name, Machines::Force::Yes); }
                return ready;
            }));
    return code != 0 ? code : waited;
}

// --- ls ---

constexpr Flag ls_flags[] = {
    {"format", 0, Kind::Text, format_help},
    {"quiet", 'q', Kind::Bool, "Show only names"},
};

const std::vector<std::pair<std::string_view, std::string_view>> machine_headers = {
    {"Name", "NAME"}, {"Active", "ACTIVE"}, {"State", "STATE"},          {"IP", "IP"},
    {"URL", "URL"},   {"Cut", "CUT"},       {"CreatedAt", "CREATED AT"},
};

Json machine_row(const machine::Listed& listed, const std::vector<machine::Cut>& cuts) {
    const std::string url = "unix://" + listed.socket;
    std::vector<std::string> unreached;
    for (const auto& cut : cuts) {
        if (cut.from == listed.machine.name) { unreached.push_back(cut.to); }
    }
    const bool active = env("SHOAL_HOST") == url || env("DOCKER_HOST") == url;
    return {{"Name", listed.machine.name},
            {"Active", active ? "*" : "-"},
            {"State", std::string(text_of(listed.state))},
            {"IP", listed.machine.address},
            {"URL", url},
            {"Cut", join(unreached, ",")},
            {"CreatedAt", date_text(listed.machine.created)}};
}

Result<int> ls(App& app, const Parsed& parsed) {
    TRY_LET(all, machines());
    TRY_LET(found, all.list());
    TRY_LET(cuts, all.cuts());
    Listing listing;
    listing.format = choose_format(
        app, parsed,
        {"", "table {{.Name}}\t{{.Active}}\t{{.State}}\t{{.IP}}\t{{.URL}}\t{{.Cut}}", "{{.Name}}",
         "name: {{.Name}}\nstate: {{.State}}\nip: {{.IP}}\nurl: {{.URL}}\n", "name: {{.Name}}"});
    listing.headers = machine_headers;
    listing.type_name = "*machine.row";
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
        return natural_less(a.machine.name, b.machine.name);
    });
    for (const auto& one : found) { listing.rows.push_back(machine_row(one, cuts)); }
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}

// --- one machine's facts ---

Result<int> ip(App& app, const Parsed& parsed) {
    TRY_LET(all, machines());
    int code = 0;
    for (const auto& name : parsed.words) {
        if (auto found = all.find(name); found) {
            app.line(found->machine.address);
        } else {
            app.error_line(found.error().message);
            code = App::failed;
        }
    }
    return code;
}

Result<int> env_of_machine(App& app, const Parsed& parsed) {
    TRY_LET(all, machines());
    TRY_LET(found, all.find(parsed.words[0]));
    app.out(machine::env_text(found.machine.name, found.socket, app.globals.program));
    return 0;
}

// --- inside ---

Result<int> ssh(App& app, const Parsed& parsed) {
    TRY_LET(all, machines());
    TRY_LET(command, all.enter(parsed.words[0], {parsed.words.begin() + 1, parsed.words.end()}));
    std::vector<char*> argv;
    for (auto& word : command) { argv.push_back(word.data()); }
    argv.push_back(nullptr);
    app.flush();
    ::execvp(argv[0], argv.data());
    return os_error("run " + command[0], errno);
}

constexpr Flag scp_flags[] = {
    {"recursive", 'r', Kind::Bool, "Copy directories with their contents"}};

Result<int> scp(App&, const Parsed& parsed) {
    TRY_LET(all, machines());
    TRY_LET(from, machine::parse_place(parsed.words[0]));
    TRY_LET(to, machine::parse_place(parsed.words[1]));
    TRY(all.copy(from, to, parsed.on("recursive") ? Machines::Depth::Tree : Machines::Depth::File));
    return 0;
}

// --- power ---

Result<int> start(App& app, const Parsed& parsed) {
    TRY_LET(all, machines());
    return for_each(app, parsed.words, [&all](const std::string& name) -> Result<void> {
        TRY(all.start(name));
        return all.wait_until_ready(name, ready_deadline());
    });
}

constexpr Flag stop_flags[] = {
    {"time", 't', Kind::Int, "Seconds to wait before the power is cut", "60"}};

Result<int> stop(App& app, const Parsed& parsed) {
    TRY_LET(all, machines());
    const std::chrono::seconds patience{parsed.number("time").value_or(60)};
    return for_each(app, parsed.words,
                    [&](const std::string& name) { return all.stop(name, patience); });
}

Result<int> kill(App& app, const Parsed& parsed) {
    TRY_LET(all, machines());
    TRY(all.kill(parsed.words));
    for (const auto& name : parsed.words) { app.line(name); }
    return 0;
}

constexpr Flag rm_flags[] = {{"force", 'f', Kind::Bool, "Remove also a machine that runs"}};

Result<int> rm(App& app, const Parsed& parsed) {
    TRY_LET(all, machines());
    const auto force = parsed.on("force") ? Machines::Force::Yes : Machines::Force::No;
    return for_each(app, parsed.words, [&](const std::string& name) -> Result<void> {
        auto removed = all.remove(name, force);
        const bool absent = !removed && removed.error().code == Errc::NotFound;
        if (absent && force == Machines::Force::Yes) { return ok(); }
        return removed;
    });
}

// --- partitions ---

constexpr Flag cut_flags[] = {
    {"one-way", 0, Kind::Bool, "Drop only what the first machine sends to the second"}};

Result<int> cut_machines(App&, const Parsed& parsed) {
    TRY_LET(all, machines());
    TRY(all.cut({parsed.words[0], parsed.words[1]},
                parsed.on("one-way") ? machine::Way::One : machine::Way::Both));
    return 0;
}

Result<int> heal(App&, const Parsed& parsed) {
    TRY_LET(all, machines());
    if (parsed.words.size() == 1) { return invalid("heal takes two machines, or none for all"); }
    TRY(parsed.words.empty() ? all.heal_all() : all.heal({parsed.words[0], parsed.words[1]}));
    return 0;
}

// --- process 1 ---

Result<int> init(App&, const Parsed& parsed) {
    if (::getpid() != 1) { return invalid("only for the first process of a machine"); }
    return machine::run_init(parsed.words[0]);
}

} // namespace

const Command machine_create_command{
    .usage = "[OPTIONS] NAME [NAME...]",
    .summary = "Create and start machines",
    .flags = create_flags_of_machine,
    .action = create,
    .arguments = {1},
    .details =
        "A machine is a full node on this computer: namespaces, a control group, a disk, an address\n"
        "and a shoald of its own. It is no boundary of security."};
const Command machine_ls_command{"[OPTIONS]", "List machines", ls_flags,
                                 ls,          {0, 0},          "machine ls, machine list"};
const Command machine_ip_command{"NAME [NAME...]", "Print the addresses of machines", {}, ip, {1}};
const Command machine_env_command{
    "NAME", "Print the shell's lines that point clients at a machine", {}, env_of_machine, {1, 1}};
const Command machine_ssh_command{.usage = "NAME [COMMAND]",
                                  .summary = "Run a shell, or a shell's line, in a machine",
                                  .action = ssh,
                                  .arguments = {1},
                                  .flags_first = true};
const Command machine_scp_command{
    "[OPTIONS] [NAME:]PATH [NAME:]PATH", "Copy files from and to machines", scp_flags, scp, {2, 2}};
const Command machine_start_command{"NAME [NAME...]", "Start machines", {}, start, {1}};
const Command machine_stop_command{
    "[OPTIONS] NAME [NAME...]", "Shut machines down in order", stop_flags, stop, {1}};
const Command machine_kill_command{
    "NAME [NAME...]", "Cut the power: everything in the machines ends at once", {}, kill, {1}};
const Command machine_rm_command{
    "[OPTIONS] NAME [NAME...]",  "Remove machines with their disks", rm_flags, rm, {1},
    "machine rm, machine remove"};
const Command machine_cut_command{
    "[OPTIONS] NAME NAME", "Cut the network between two machines", cut_flags, cut_machines, {2, 2}};
const Command machine_heal_command{
    "[NAME NAME]", "Mend the network between two machines, or everywhere", {}, heal, {0, 2}};
const Command machine_init_command{
    .usage = "DIRECTORY", .summary = "Process 1 of a machine", .action = init, .arguments = {1, 1}};

} // namespace shoal::cli
