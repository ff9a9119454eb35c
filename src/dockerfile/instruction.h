// The text of a Dockerfile taken apart: instructions with their flags, words and here-documents, in
// stages. Nothing is expanded and no meaning is given here (command.h does that); every piece knows
// its lines, so that errors and warnings can point at them. Pure.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::dockerfile {

enum class Kind {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir
};
std::string_view name_of(Kind kind); ///< "ADD"

/// First and last line, counted from 1. Zero: not from a file (ONBUILD of an image, --change).
struct Lines {
    int first = 0;
    int last = 0;
    bool operator==(const Lines&) const = default;
};

/// "--chown=1:2" as ("chown", "1:2"); "--link" as ("link", "") without `has_value`.
struct Flag {
    std::string name;
    std::string value;
    bool has_value = false;
};

struct Heredoc {
    std::string name;    ///< the delimiter: "EOF"
    std::string content; ///< with its line ends
    bool expand = true;  ///< false when the delimiter was quoted
    bool chomp = false;  ///< "<<-": leading tabs are taken away
    int descriptor = 0;
};

struct Instruction {
    Kind kind = Kind::Run;
    Lines lines;
    std::vector<Flag> flags; ///< in order, unexpanded
    /// What follows name and flags, line continuations and comment lines taken out, as one line.
    std::string rest;
    /// The JSON array form, where the instruction has one and the text is one.
    std::optional<std::vector<std::string>> json;
    std::vector<Heredoc> heredocs; ///< in order of appearance
    /// The whole instruction as it is shown in "Step 1/3 : ..." and in errors: name as it is
    /// written, flags and rest, on one line; here-documents are not part of it.
    std::string text;
    std::string keyword; ///< the name as it is written: "Copy"
    /// Checks that a comment right before the instruction turns off: "# check=skip=A".
    std::vector<std::string> skipped_checks;
};

struct Warning {
    std::string rule; ///< "StageNameCasing", as in Docker's build checks
    std::string message;
    Lines lines;
};

struct Stage {
    std::string name;     ///< of AS, lower case; "" for none
    std::string base;     ///< unexpanded
    std::string platform; ///< of --platform, unexpanded; "" for none
    Instruction from;
    std::vector<Instruction> instructions; ///< after FROM
};

struct Directives {
    std::string syntax; ///< "docker/dockerfile:1"; noted, never fetched
    char escape = '\\';
    std::vector<std::string> skipped_checks; ///< of "check=skip=A,B"; {"all"} for all
    bool checks_are_errors = false;          ///< "check=error=true"
};

struct File {
    Directives directives;
    std::vector<Instruction> global_args; ///< ARG before the first FROM
    std::vector<Stage> stages;            ///< at least one
    std::vector<Warning> warnings;        ///< only the wanted ones
    std::vector<std::string> source;      ///< its lines, for messages
};

/// Limits of a stranger's file.
inline constexpr std::size_t dockerfile_bytes_max = 4 * 1024 * 1024;
inline constexpr std::size_t instructions_max = 10'000;
inline constexpr std::size_t heredocs_max = 100; ///< of one instruction

/// Reads a whole Dockerfile. A byte order mark and CRLF line ends are accepted. Fails: Invalid with
/// "dockerfile parse error on line 3: unknown instruction: RUNN" and the line's text, Docker's
/// words where it has some.
Result<File> parse(std::string_view text);

/// Reads one instruction, as ONBUILD keeps it and `commit --change` gives it. FROM, and MAINTAINER
/// and ONBUILD within ONBUILD, are the caller's to refuse.
Result<Instruction> parse_instruction(std::string_view line);

/// Is the rule turned off, for the whole file or by a comment before the instruction?
bool is_skipped(const Directives& directives, const std::vector<std::string>& by_comment,
                std::string_view rule);
/// What is left of `warnings` once those are gone that the file does not want; the comments before
/// the instructions are found by their lines.
std::vector<Warning> wanted_warnings(const File& file, std::vector<Warning> warnings);
/// Fails: Invalid for "check=error=true" and any warning: "lint violation found for rules: ..." and
/// the warnings, one a line.
Result<void> check_warnings(const Directives& directives, const std::vector<Warning>& warnings);

/// The lines of the file around `lines`, numbered, the ones meant marked with ">>>", for errors.
std::string excerpt(const File& file, Lines lines);

} // namespace shoal::dockerfile
