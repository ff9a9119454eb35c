#include "dockerfile/instruction.h"

#include "base/text.h"
#include "dockerfile/checks.h"
#include "dockerfile/command_parts.h"
#include "dockerfile/lines.h"
#include "dockerfile/suggest.h"
#include "dockerfile/words.h"

#include <algorithm>
#include <array>

namespace shoal::dockerfile {
namespace {

constexpr std::array<std::pair<std::string_view, Kind>, 18> names{{
    {"ADD", Kind::Add},
    {"ARG", Kind::Arg},
    {"CMD", Kind::Cmd},
    {"COPY", Kind::Copy},
    {"ENTRYPOINT", Kind::Entrypoint},
    {"ENV", Kind::Env},
    {"EXPOSE", Kind::Expose},
    {"FROM", Kind::From},
    {"HEALTHCHECK", Kind::Healthcheck},
    {"LABEL", Kind::Label},
    {"MAINTAINER", Kind::Maintainer},
    {"ONBUILD", Kind::Onbuild},
    {"RUN", Kind::Run},
    {"SHELL", Kind::Shell},
    {"STOPSIGNAL", Kind::Stopsignal},
    {"USER", Kind::User},
    {"VOLUME", Kind::Volume},
    {"WORKDIR", Kind::Workdir},
}};

Result<Kind> parse_kind(std::string_view keyword) {
    std::vector<std::string> all;
    for (const auto& [name, kind] : names) {
        if (equals_ignore_case(name, keyword)) { return kind; }
        all.emplace_back(name);
    }
    return invalid("unknown instruction: " + std::string(keyword) +
                   suggestion(keyword, all, Case::Ignored));
}

bool has_json_form(Kind kind) {
    switch (kind) {
    case Kind::Add:
    case Kind::Cmd:
    case Kind::Copy:
    case Kind::Entrypoint:
    case Kind::Run:
    case Kind::Shell:
    case Kind::Volume:
        return true;
    default:
        return false;
    }
}

/// One logical line, still without the content of its here-documents.
Result<Instruction> read_instruction(std::string_view line, char escape) {
    const auto [keyword, arguments] = split_name(line);
    TRY_LET(kind, parse_kind(keyword));
    Instruction instruction;
    instruction.kind = kind;
    instruction.keyword = keyword;
    const auto [flags, rest] = split_flags(arguments, escape);
    for (const auto& flag : flags) { instruction.flags.push_back(parse_flag(flag)); }
    instruction.rest = rest;
    if (has_json_form(kind)) {
        TRY_LET(json, parse_json_words(rest));
        instruction.json = std::move(json);
    }
    instruction.text = std::string(keyword);
    if (!arguments.empty()) { instruction.text += " " + std::string(arguments); }
    return instruction;
}

/// The here-documents that the line announces; those of ONBUILD are its trigger's.
Result<std::vector<Heredoc>> announced(const Instruction& instruction, char escape) {
    const bool may = instruction.kind == Kind::Add || instruction.kind == Kind::Copy ||
                     instruction.kind == Kind::Run;
    if (instruction.kind == Kind::Onbuild && !instruction.rest.empty()) {
        const auto trigger = read_instruction(instruction.rest, escape);
        if (trigger && trigger->kind != Kind::Onbuild) { return announced(*trigger, escape); }
    }
    if (!may || instruction.json || instruction.rest.find("<<") == std::string::npos) {
        return std::vector<Heredoc>();
    }
    return parse_heredocs(instruction.rest);
}

Result<void> take_heredocs(LineReader& reader, Instruction& instruction) {
    TRY_LET(heredocs, announced(instruction, reader.directives().escape));
    for (auto& heredoc : heredocs) {
        TRY_LET(content, reader.take_heredoc(heredoc, instruction.lines.last));
        heredoc.content = std::move(content);
    }
    instruction.heredocs = std::move(heredocs);
    return ok();
}

Result<Instruction> read_one(LineReader& reader, const LogicalLine& line) {
    TRY_LET(instruction, read_instruction(line.text, reader.directives().escape));
    instruction.lines = line.lines;
    instruction.skipped_checks = skipped_by(line.comments);
    TRY(take_heredocs(reader, instruction));
    // What is wrong in the last line is better known before the first step runs.
    TRY(read_command(instruction, reader.directives().escape));
    return std::move(instruction);
}

Stage stage_of(Instruction from) {
    Stage stage;
    const auto words = split_blanks(from.rest);
    stage.base = words.front();
    if (words.size() == 3) { stage.name = to_lower(words[2]); }
    for (const auto& flag : from.flags) {
        if (flag.name == "platform") { stage.platform = flag.value; }
    }
    stage.from = std::move(from);
    return stage;
}

Result<void> put_in(File& file, Instruction instruction) {
    if (instruction.kind == Kind::From) {
        file.stages.push_back(stage_of(std::move(instruction)));
    } else if (!file.stages.empty()) {
        file.stages.back().instructions.push_back(std::move(instruction));
    } else if (instruction.kind == Kind::Arg) {
        file.global_args.push_back(std::move(instruction));
    } else {
        return invalid("no build stage in current context");
    }
    return ok();
}

Result<void> read_file(LineReader& reader, File& file, Lines& at) {
    for (std::size_t count = 0;; ++count) {
        at = {reader.line() + 1, reader.line() + 1};
        auto line = reader.next();
        if (!line) {
            at = {reader.line(), reader.line()};
            return std::move(line).error();
        }
        if (!*line) { return ok(); }
        at = (*line)->lines;
        if (count == instructions_max) {
            return invalid("more than " + std::to_string(instructions_max) + " instructions");
        }
        if ((*line)->empty_continuation != 0) {
            file.warnings.push_back(empty_continuation_warning((*line)->empty_continuation));
        }
        TRY_LET(instruction, read_one(reader, **line));
        TRY(put_in(file, std::move(instruction)));
    }
}

constexpr int excerpt_around = 2;
constexpr int excerpt_lines_max = 12;
constexpr std::size_t excerpt_columns_max = 200;

std::string numbered(int number, std::string_view line, bool meant) {
    std::string text = std::to_string(number);
    text.insert(0, text.size() < 4 ? 4 - text.size() : 0, ' ');
    text += meant ? " | >>> " : " |     ";
    text += line.substr(0, excerpt_columns_max);
    if (line.size() > excerpt_columns_max) { text += "..."; }
    while (text.ends_with(' ')) { text.pop_back(); }
    return text;
}

} // namespace

std::string_view name_of(Kind kind) {
    for (const auto& [name, candidate] : names) {
        if (candidate == kind) { return name; }
    }
    return "";
}

Result<File> parse(std::string_view text) {
    if (text.size() > dockerfile_bytes_max) {
        return invalid("the Dockerfile has more than " + std::to_string(dockerfile_bytes_max) +
                       " bytes");
    }
    if (text.empty()) { return invalid("the Dockerfile cannot be empty"); }
    LineReader reader(text);
    File file;
    Lines at;
    auto read = read_file(reader, file, at);
    file.directives = reader.directives();
    file.source = std::move(reader).take_source();
    if (!read) {
        auto error = std::move(read).error().with("dockerfile parse error on line " +
                                                  std::to_string(at.first));
        error.message += "\n" + excerpt(file, at);
        return error;
    }
    if (file.stages.empty()) {
        return invalid(file.global_args.empty() ? "file with no instructions"
                                                : "dockerfile contains no stages to build");
    }
    auto found = find_warnings(file);
    file.warnings.insert(file.warnings.end(), found.begin(), found.end());
    std::stable_sort(
        file.warnings.begin(), file.warnings.end(),
        [](const Warning& a, const Warning& b) { return a.lines.first < b.lines.first; });
    file.warnings = wanted_warnings(file, std::move(file.warnings));
    return file;
}

Result<Instruction> parse_instruction(std::string_view line) {
    if (line.size() > dockerfile_bytes_max) { return invalid("an instruction is too long"); }
    LineReader reader(line);
    TRY_LET(found, reader.next());
    if (!found) { return invalid("there is no instruction"); }
    TRY_LET(instruction, read_instruction(found->text, reader.directives().escape));
    TRY(take_heredocs(reader, instruction));
    TRY_LET(more, reader.next());
    if (more) { return invalid("more than one instruction in " + go_quote(line.substr(0, 200))); }
    instruction.lines = {};
    return std::move(instruction);
}

std::string excerpt(const File& file, Lines lines) {
    const int count = static_cast<int>(file.source.size());
    if (lines.first < 1 || lines.first > count) { return ""; }
    const int first = std::max(1, lines.first - excerpt_around);
    const int last = std::min(
        {count, std::max(lines.last, lines.first) + excerpt_around, first + excerpt_lines_max - 1});
    std::vector<std::string> shown;
    for (int number = first; number <= last; ++number) {
        const bool meant = number >= lines.first && number <= std::max(lines.last, lines.first);
        shown.push_back(numbered(number, file.source[static_cast<std::size_t>(number - 1)], meant));
    }
    return join(shown, "\n");
}

} // namespace shoal::dockerfile
