#include "dockerfile/command_parts.h"

#include "base/text.h"
#include "dockerfile/flags.h"
#include "dockerfile/words.h"

#include <algorithm>

namespace shoal::dockerfile {
namespace {

using Words = std::vector<std::string>;

std::string name(const Instruction& instruction) { return std::string(name_of(instruction.kind)); }

Error needs_one(const Instruction& instruction) {
    return invalid(name(instruction) + " requires at least one argument");
}

Result<void> no_flags(const Instruction& instruction) {
    TRY(FlagValues::read(instruction.flags, {}));
    return ok();
}

/// The JSON form's words, or those between blanks.
Words list_of(const Instruction& instruction) {
    return instruction.json ? *instruction.json : split_blanks(instruction.rest);
}

Result<WordsCommand> read_text(const Instruction& instruction) {
    TRY(no_flags(instruction));
    if (instruction.rest.empty()) {
        return invalid(name(instruction) + " requires exactly one argument");
    }
    return WordsCommand{false, {instruction.rest}};
}

Result<WordsCommand> read_list(const Instruction& instruction) {
    TRY(no_flags(instruction));
    auto words = list_of(instruction);
    if (words.empty()) { return needs_one(instruction); }
    return WordsCommand{false, std::move(words)};
}

/// USER and STOPSIGNAL.
Result<WordsCommand> read_word(const Instruction& instruction, char escape) {
    if (split_quoted(instruction.rest, escape).size() > 1) {
        return invalid(name(instruction) + " requires exactly one argument");
    }
    return read_text(instruction);
}

/// Ports without variables are judged at once.
Result<WordsCommand> read_expose(const Instruction& instruction) {
    TRY_LET(command, read_list(instruction));
    if (instruction.rest.find_first_of("$'\"\\`") == std::string::npos) {
        std::vector<Warning> ignored;
        TRY(parse_exposed_ports(command.words, ignored, instruction.lines));
    }
    return std::move(command);
}

Result<WordsCommand> read_volume(const Instruction& instruction) {
    TRY_LET(command, read_list(instruction));
    for (auto& word : command.words) {
        word = std::string(trim(word));
        if (word.empty()) { return invalid("VOLUME specified can not be an empty string"); }
    }
    return std::move(command);
}

Result<WordsCommand> read_shell(const Instruction& instruction) {
    TRY(no_flags(instruction));
    if (instruction.rest.empty() || (instruction.json && instruction.json->empty())) {
        return needs_one(instruction);
    }
    if (!instruction.json) { return invalid("SHELL requires the arguments to be in JSON form"); }
    return WordsCommand{false, *instruction.json};
}

/// CMD and ENTRYPOINT.
Result<WordsCommand> read_start(const Instruction& instruction) {
    TRY(no_flags(instruction));
    if (instruction.json) { return WordsCommand{false, *instruction.json}; }
    return WordsCommand{true, {instruction.rest}};
}

Result<WordsCommand> read_onbuild(const Instruction& instruction) {
    TRY(no_flags(instruction));
    if (instruction.rest.empty()) { return needs_one(instruction); }
    const auto trigger = to_upper(split_name(instruction.rest).first);
    if (trigger == "ONBUILD") {
        return invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    }
    if (trigger == "MAINTAINER" || trigger == "FROM") {
        return invalid(trigger + " isn't allowed as an ONBUILD trigger");
    }
    std::string expression = instruction.rest;
    for (const auto& heredoc : instruction.heredocs) {
        expression += "\n" + heredoc.content + heredoc.name;
    }
    TRY(parse_instruction(expression));
    return WordsCommand{false, {std::move(expression)}};
}

bool is_stage_name(std::string_view text) {
    if (text.empty() || text.front() < 'a' || text.front() > 'z') { return false; }
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    });
}

Result<WordsCommand> read_from(const Instruction& instruction) {
    const auto words = split_blanks(instruction.rest);
    const bool named = words.size() == 3 && equals_ignore_case(words[1], "as");
    if (words.size() != 1 && !named) {
        return invalid("FROM requires either one or three arguments");
    }
    if (named && !is_stage_name(to_lower(words[2]))) {
        return invalid("invalid name for build stage: " + go_quote(words[2]) +
                       ", name can't start with a number or contain symbols");
    }
    TRY(FlagValues::read(instruction.flags, {{"platform"}}));
    return WordsCommand{false, {words.front()}};
}

/// ENV and LABEL: "K=V K2=V2", or the old form "K the rest".
Result<PairsCommand> read_pairs(const Instruction& instruction, char escape) {
    TRY(no_flags(instruction));
    const auto words = split_quoted(instruction.rest, escape);
    if (words.empty()) { return needs_one(instruction); }
    PairsCommand command;
    if (words.front().find('=') == std::string::npos) {
        const auto [key, value] = split_name(instruction.rest);
        if (value.empty()) { return invalid(name(instruction) + " must have two arguments"); }
        command.pairs.emplace_back(key, value);
        return command;
    }
    for (const auto& word : words) {
        if (word.find('=') == std::string::npos) {
            return invalid("Syntax error - can't find = in " + go_quote(word) +
                           ". Must be of the form: name=value");
        }
        auto pair = cut(word, '=');
        if (pair.first.empty()) { return invalid(name(instruction) + " names can not be blank"); }
        command.pairs.push_back(std::move(pair));
    }
    return command;
}

Result<ArgCommand> read_arg(const Instruction& instruction, char escape) {
    TRY(no_flags(instruction));
    ArgCommand command;
    for (const auto& word : split_quoted(instruction.rest, escape)) {
        const bool has_value = word.find('=') != std::string::npos;
        auto [key, value] = cut(word, '=');
        if (key.empty()) { return invalid("ARG names can not be blank"); }
        command.args.push_back({std::move(key), std::nullopt});
        if (has_value) { command.args.back().value = std::move(value); }
    }
    if (command.args.empty()) { return needs_one(instruction); }
    return command;
}

/// Sources, here-documents and destination.
Result<void> read_files(const Instruction& instruction, CopyCommand& command) {
    auto words = list_of(instruction);
    if (words.size() < 2) {
        return invalid(name(instruction) + " requires at least two arguments, but only one was "
                                           "provided. Destination could not be determined");
    }
    command.destination = std::move(words.back());
    words.pop_back();
    TRY_LET(no_file, parse_heredoc(command.destination));
    if (no_file) {
        return invalid(name(instruction) + " cannot accept a heredoc as a destination");
    }
    for (auto& word : words) {
        TRY_LET(announced, parse_heredoc(word));
        if (!announced || instruction.json) {
            command.sources.push_back(std::move(word));
            continue;
        }
        const auto found =
            std::find_if(instruction.heredocs.begin(), instruction.heredocs.end(),
                         [&](const Heredoc& heredoc) { return heredoc.name == announced->name; });
        if (found == instruction.heredocs.end()) {
            return invalid("here-document " + go_quote(announced->name) + " has no content");
        }
        command.inline_files.push_back({found->name, content_of(*found), found->expand});
    }
    return ok();
}

bool is_address(std::string_view source) {
    return source.starts_with("http://") || source.starts_with("https://");
}

Result<CopyCommand> read_copy(const Instruction& instruction) {
    CopyCommand command;
    TRY(read_files(instruction, command));
    TRY_LET(flags, FlagValues::read(instruction.flags, {{"chown"},
                                                        {"from"},
                                                        {"chmod"},
                                                        {"link", FlagKind::Boolean},
                                                        {"exclude", FlagKind::List},
                                                        {"parents", FlagKind::Boolean}}));
    command.from = flags.text("from");
    if (!variables_of(command.from).empty()) {
        return invalid(
            "variable expansion is not supported for --from, define a new stage with FROM "
            "using ARG from global scope as a workaround");
    }
    if (std::any_of(command.sources.begin(), command.sources.end(), is_address)) {
        return invalid("source can't be a URL for COPY");
    }
    command.chown = flags.text("chown");
    command.chmod = flags.text("chmod");
    command.link = flags.is_true("link");
    command.parents = flags.is_true("parents");
    command.excludes = flags.list("exclude");
    return command;
}

Result<CopyCommand> read_add(const Instruction& instruction) {
    CopyCommand command;
    command.add = true;
    TRY(read_files(instruction, command));
    TRY_LET(flags, FlagValues::read(instruction.flags, {{"chown"},
                                                        {"chmod"},
                                                        {"link", FlagKind::Boolean},
                                                        {"keep-git-dir", FlagKind::Boolean},
                                                        {"checksum"},
                                                        {"unpack", FlagKind::Boolean},
                                                        {"exclude", FlagKind::List}}));
    command.chown = flags.text("chown");
    command.chmod = flags.text("chmod");
    command.link = flags.is_true("link");
    command.keep_git_dir = flags.is_true("keep-git-dir");
    command.checksum = flags.text("checksum");
    if (flags.has("unpack")) { command.unpack = flags.is_true("unpack"); }
    command.excludes = flags.list("exclude");
    if (!command.checksum.empty() && command.sources.size() + command.inline_files.size() != 1) {
        return invalid("checksum can't be specified for multiple sources");
    }
    return command;
}

/// The command line with its here-documents as the shell is to read them.
void put_in_heredocs(const Instruction& instruction, RunCommand& command) {
    std::string& line = command.words.front();
    const auto whole = parse_heredoc(line);
    if (whole && *whole) {
        command.script = content_of(instruction.heredocs.front());
        command.words.clear();
        return;
    }
    for (const auto& heredoc : instruction.heredocs) {
        line += "\n" + heredoc.content + heredoc.name;
    }
}

Result<RunCommand> read_run(const Instruction& instruction) {
    TRY_LET(flags, FlagValues::read(instruction.flags,
                                    {{"mount", FlagKind::List}, {"network"}, {"security"}}));
    RunCommand command;
    command.shell = !instruction.json;
    command.words = instruction.json ? *instruction.json : Words{instruction.rest};
    if (command.words.empty()) { return needs_one(instruction); }
    if (!instruction.heredocs.empty()) { put_in_heredocs(instruction, command); }
    for (const auto& text : flags.list("mount")) {
        TRY_LET(mount, parse_mount(text, nullptr));
        command.mounts.push_back(std::move(mount));
    }
    command.network = flags.text("network");
    if (flags.has("network") && command.network != "default" && command.network != "none" &&
        command.network != "host") {
        return invalid("invalid network mode " + go_quote(command.network));
    }
    command.security = flags.text("security");
    if (flags.has("security") && command.security != "sandbox" && command.security != "insecure") {
        return invalid("security " + go_quote(command.security) + " is not valid");
    }
    return command;
}

template <class T> Result<void> put(Command& command, Result<T> read) {
    if (!read) { return std::move(read).error(); }
    command.what = std::move(*read);
    return ok();
}

Result<void> read_what(const Instruction& instruction, char escape, Command& command) {
    switch (instruction.kind) {
    case Kind::Add:
        return put(command, read_add(instruction));
    case Kind::Copy:
        return put(command, read_copy(instruction));
    case Kind::Run:
        return put(command, read_run(instruction));
    case Kind::Arg:
        return put(command, read_arg(instruction, escape));
    case Kind::Env:
    case Kind::Label:
        return put(command, read_pairs(instruction, escape));
    case Kind::Cmd:
    case Kind::Entrypoint:
        return put(command, read_start(instruction));
    case Kind::Healthcheck: {
        TRY_LET(health, read_health(instruction));
        command.what = HealthcheckCommand{std::move(health)};
        return ok();
    }
    case Kind::From:
        return put(command, read_from(instruction));
    case Kind::Onbuild:
        return put(command, read_onbuild(instruction));
    case Kind::Expose:
        return put(command, read_expose(instruction));
    case Kind::Volume:
        return put(command, read_volume(instruction));
    case Kind::Shell:
        return put(command, read_shell(instruction));
    case Kind::Stopsignal:
    case Kind::User:
        return put(command, read_word(instruction, escape));
    case Kind::Maintainer:
    case Kind::Workdir:
        return put(command, read_text(instruction));
    }
    return ok();
}

} // namespace

Result<Command> read_command(const Instruction& instruction, char escape) {
    Command command;
    command.kind = instruction.kind;
    command.lines = instruction.lines;
    TRY(read_what(instruction, escape, command));
    return command;
}

} // namespace shoal::dockerfile
