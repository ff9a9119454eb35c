// What an instruction does to the settings of an image.
#include "base/text.h"
#include "dockerfile/command_parts.h"
#include "dockerfile/lines.h"
#include "dockerfile/words.h"

#include <algorithm>
#include <array>
#include <filesystem>

namespace shoal::dockerfile {
namespace {

using oci::RunConfig;
using Words = std::vector<std::string>;

Result<void> check_size(std::size_t bytes, std::string_view what) {
    if (bytes <= settings_bytes_max) { return ok(); }
    return invalid("the " + std::string(what) + " would have more than " +
                   std::to_string(settings_bytes_max) + " bytes");
}

Result<void> set_env(RunConfig& config, const PairsCommand& command) {
    auto env = config.env;
    for (const auto& [key, value] : command.pairs) {
        const std::string prefix = key + "=";
        const auto same = std::find_if(env.begin(), env.end(), [&](const std::string& entry) {
            return entry.starts_with(prefix);
        });
        if (same == env.end()) {
            env.push_back(prefix + value);
        } else {
            *same = prefix + value;
        }
    }
    std::size_t bytes = 0;
    for (const auto& entry : env) { bytes += entry.size(); }
    TRY(check_size(bytes, "environment"));
    config.env = std::move(env);
    return ok();
}

Result<void> set_labels(RunConfig& config, const PairsCommand& command) {
    auto labels = config.labels;
    for (const auto& [key, value] : command.pairs) { labels[key] = value; }
    std::size_t bytes = 0;
    for (const auto& [key, value] : labels) { bytes += key.size() + value.size(); }
    TRY(check_size(bytes, "labels"));
    config.labels = std::move(labels);
    return ok();
}

/// Signals of Linux by number; those without a name here are the C library's own.
constexpr std::array<std::string_view, 32> signals{
    "",     "HUP",  "INT",  "QUIT", "ILL",    "TRAP",   "ABRT",  "BUS",  "FPE",  "KILL", "USR1",
    "SEGV", "USR2", "PIPE", "ALRM", "TERM",   "STKFLT", "CHLD",  "CONT", "STOP", "TSTP", "TTIN",
    "TTOU", "URG",  "XCPU", "XFSZ", "VTALRM", "PROF",   "WINCH", "IO",   "PWR",  "SYS"};
constexpr int signal_max = 64;

bool is_realtime(std::string_view name) {
    for (const auto& [base, sign] : {std::pair{"RTMIN", '+'}, std::pair{"RTMAX", '-'}}) {
        if (!name.starts_with(base)) { continue; }
        const auto rest = name.substr(5);
        if (rest.empty()) { return true; }
        const auto offset = parse_number<unsigned>(rest.substr(1));
        return rest.front() == sign && offset && *offset <= 15;
    }
    return false;
}

Result<void> check_signal(const std::string& text) {
    if (const auto number = parse_number<int>(text)) {
        if (*number >= 1 && *number <= signal_max) { return ok(); }
        return invalid("invalid signal: " + text);
    }
    const auto upper = to_upper(text);
    std::string_view name = upper;
    if (name.starts_with("SIG")) { name.remove_prefix(3); }
    const std::array<std::string_view, 3> other{"CLD", "IOT", "POLL"};
    const bool known =
        !name.empty() && (std::find(signals.begin(), signals.end(), name) != signals.end() ||
                          std::find(other.begin(), other.end(), name) != other.end());
    if (known || is_realtime(name)) { return ok(); }
    return invalid("invalid signal: " + text);
}

Words command_line(const RunConfig& config, const WordsCommand& command) {
    return command.shell ? with_shell(config, command.words.front()) : command.words;
}

Result<void> apply_words(RunConfig& config, Kind kind, const WordsCommand& command, bool* cmd_set) {
    switch (kind) {
    case Kind::Cmd:
        config.cmd = command_line(config, command);
        if (cmd_set != nullptr) { *cmd_set = true; }
        break;
    case Kind::Entrypoint:
        config.entrypoint = command_line(config, command);
        // The old command was made for the old entry point.
        if (cmd_set == nullptr || !*cmd_set) { config.cmd.clear(); }
        break;
    case Kind::Expose:
        for (const auto& port : command.words) { config.exposed_ports[port] = {}; }
        break;
    case Kind::Onbuild:
        config.on_build.push_back(command.words.front());
        break;
    case Kind::Shell:
        config.shell = command.words;
        break;
    case Kind::Stopsignal:
        TRY(check_signal(command.words.front()));
        config.stop_signal = command.words.front();
        break;
    case Kind::User:
        config.user = command.words.front();
        break;
    case Kind::Volume:
        for (const auto& path : command.words) { config.volumes[path] = {}; }
        break;
    case Kind::Workdir:
        config.working_dir = joined_directory(config.working_dir, command.words.front());
        break;
    default:
        ASSERT(false);
    }
    return ok();
}

bool only_changes_settings(Kind kind) {
    switch (kind) {
    case Kind::Add:
    case Kind::Arg:
    case Kind::Copy:
    case Kind::From:
    case Kind::Maintainer:
    case Kind::Run:
        return false;
    default:
        return true;
    }
}

Result<void> change(RunConfig& config, std::string_view line, bool* cmd_set) {
    const std::string keyword(split_name(line).first);
    const auto refusal = to_lower(keyword) + " is not a valid change command";
    const auto instruction = parse_instruction(line);
    if (!instruction) {
        const bool unknown = instruction.error().message.starts_with("unknown instruction");
        return unknown ? invalid(refusal) : instruction.error();
    }
    if (!only_changes_settings(instruction->kind)) { return invalid(refusal); }
    Scope scope;
    scope.config = &config;
    TRY_LET(command, interpret(*instruction, scope));
    return apply(config, command, cmd_set);
}

} // namespace

std::vector<std::string> with_shell(const RunConfig& config, const std::string& line) {
    Words words = config.shell.empty() ? Words{"/bin/sh", "-c"} : config.shell;
    words.push_back(line);
    return words;
}

std::string joined_directory(const std::string& present, const std::string& path) {
    const std::filesystem::path base = present.empty() ? "/" : present;
    std::string clean = (std::filesystem::path("/") / base / path).lexically_normal().string();
    while (clean.size() > 1 && clean.ends_with('/')) { clean.pop_back(); }
    while (clean.starts_with("//")) { clean.erase(0, 1); }
    return clean;
}

Result<void> apply(RunConfig& config, const Command& command, bool* cmd_set) {
    if (const auto* words = std::get_if<WordsCommand>(&command.what)) {
        return apply_words(config, command.kind, *words, cmd_set);
    }
    if (const auto* health = std::get_if<HealthcheckCommand>(&command.what)) {
        config.healthcheck = health->config;
        return ok();
    }
    const auto* pairs = std::get_if<PairsCommand>(&command.what);
    ASSERT(pairs != nullptr);
    return command.kind == Kind::Env ? set_env(config, *pairs) : set_labels(config, *pairs);
}

Result<void> apply_change(RunConfig& config, std::string_view line) {
    bool cmd_set = false;
    return change(config, line, &cmd_set);
}

Result<void> apply_changes(RunConfig& config, const std::vector<std::string>& lines) {
    const std::string text = join(lines, "\n");
    LineReader reader(text);
    bool cmd_set = false;
    while (true) {
        TRY_LET(line, reader.next());
        if (!line) { return ok(); }
        TRY(change(config, line->text, &cmd_set));
    }
}

} // namespace shoal::dockerfile
