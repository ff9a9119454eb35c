#include "machine/plan.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::machine {
namespace {

std::string directory_of(std::string_view path) {
    const auto slash = path.rfind('/');
    return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

/// What would mislead a daemon or a client inside.
bool stays_outside(std::string_view name) {
    constexpr std::string_view names[] = {"PATH",   "HOME",          "PWD",        "OLDPWD",
                                          "TMPDIR", "LOGNAME",       "USER",       "SHLVL",
                                          "_",      "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"};
    constexpr std::string_view families[] = {"DOCKER_", "SHOAL_", "XDG_", "SSH_"};
    return std::find(std::begin(names), std::end(names), name) != std::end(names) ||
           std::any_of(std::begin(families), std::end(families),
                       [&](std::string_view family) { return name.starts_with(family); });
}

std::string socket_url() { return "unix://" + std::string(socket_inside); }

} // namespace

std::vector<std::string> daemon_command(const Machine& machine) {
    const std::string shared(shared_inside);
    return {machine.daemon, "--config-file",  shared + "/daemon.json",
            "--data-root",  "/var/lib/shoal", "--exec-root",
            "/run/shoal",   "--pidfile",      "/run/shoal.pid",
            "-H",           socket_url()};
}

std::vector<std::string> environment_inside(const Machine& machine,
                                            std::span<const std::string> outside) {
    std::vector<std::string> all;
    for (const auto& entry : outside) {
        if (!stays_outside(entry.substr(0, entry.find('=')))) { all.push_back(entry); }
    }
    all.push_back("PATH=" + directory_of(machine.daemon) +
                  ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    all.emplace_back("HOME=/root");
    all.emplace_back("USER=root");
    all.emplace_back("LOGNAME=root");
    all.push_back("DOCKER_HOST=" + socket_url());
    all.push_back("SHOAL_HOST=" + socket_url());
    return all;
}

std::vector<std::string> enter_command(const Machine& machine, std::span<const std::string> words,
                                       std::span<const std::string> outside) {
    const pid_t pid = machine.first ? machine.first->pid : 0;
    std::vector<std::string> command{
        "nsenter",  "--target", std::to_string(pid), "--mount", "--uts", "--ipc", "--net", "--pid",
        "--cgroup", "--",       "/usr/bin/env",      "-i",      "-C",    "/root"};
    for (auto& entry : environment_inside(machine, outside)) { command.push_back(entry); }
    command.emplace_back("/bin/sh");
    if (words.empty()) {
        // Not a log-in shell: its profile would set another PATH.
        command.emplace_back("-c");
        command.emplace_back("if [ -x /bin/bash ]; then exec /bin/bash; fi; exec /bin/sh -i");
    } else {
        command.emplace_back("-c");
        command.push_back(join({words.begin(), words.end()}, " "));
    }
    return command;
}

std::string hosts_text(std::span<const Machine> machines) {
    std::string text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
    std::vector<const Machine*> sorted;
    for (const auto& machine : machines) { sorted.push_back(&machine); }
    std::sort(sorted.begin(), sorted.end(),
              [](const Machine* a, const Machine* b) { return a->number < b->number; });
    for (const Machine* machine : sorted) {
        text += machine->address + "\t" + machine->name + "\n";
    }
    return text;
}

std::string port_name(std::uint32_t number) { return fmt::format("port{}", number); }

std::string partition_rules(std::span<const Cut> cuts,
                            const std::map<std::string, std::uint32_t>& numbers) {
    std::string elements;
    for (const auto& cut : cuts) {
        const auto from = numbers.find(cut.from), to = numbers.find(cut.to);
        if (from == numbers.end() || to == numbers.end()) { continue; }
        elements += fmt::format("{}\"{}\" . \"{}\"", elements.empty() ? "" : ", ",
                                port_name(from->second), port_name(to->second));
    }
    // Declared first, so that it can be deleted whether it was there or not.
    std::string text = "table bridge machines\ndelete table bridge machines\n";
    if (elements.empty()) { return text; }
    text += "table bridge machines {\n"
            "  set cuts {\n    type ifname . ifname\n    elements = { " +
            elements +
            " }\n  }\n"
            "  chain forward {\n    type filter hook forward priority 0; policy accept;\n"
            "    iifname . oifname @cuts drop\n  }\n}\n";
    return text;
}

std::vector<Cut> with_cut(std::vector<Cut> cuts, const Cut& cut, Way way) {
    const auto add = [&cuts](const Cut& one) {
        if (std::find(cuts.begin(), cuts.end(), one) == cuts.end()) { cuts.push_back(one); }
    };
    add(cut);
    if (way == Way::Both) { add({cut.to, cut.from}); }
    return cuts;
}

std::vector<Cut> without_cut(std::vector<Cut> cuts, const Cut& cut) {
    std::erase_if(cuts, [&](const Cut& one) { return one == cut || one == Cut{cut.to, cut.from}; });
    return cuts;
}

std::vector<Cut> without_machine(std::vector<Cut> cuts, std::string_view name) {
    std::erase_if(cuts, [&](const Cut& one) { return one.from == name || one.to == name; });
    return cuts;
}

std::string env_text(std::string_view name, std::string_view socket, std::string_view program) {
    const std::string url = shell_quote("unix://" + std::string(socket));
    return fmt::format(
        "export DOCKER_HOST={}\nexport SHOAL_HOST={}\n"
        "export DOCKER_MACHINE_NAME={}\n"
        "# Run this command to configure your shell:\n# eval \"$({} machine env {})\"\n",
        url, url, shell_quote(name), program, name);
}

} // namespace shoal::machine
