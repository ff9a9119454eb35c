// A command as a table: its flags, its arguments and the function that does it. Tables are
// constants, so that starting the program costs nothing for commands that are not asked for.
// Parsing follows Docker's command line exactly (which is why it is our own: see
// docs/decisions/cli-parser.md). Nothing here talks to a daemon.
#pragma once

#include "base/result.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::cli {

class App;

enum class Kind {
    Bool,
    Text,
    List,
    Words /* comma-separated list */,
    Int,
    Uint16,
    Uint,
    Bytes,
    MemorySwap,
    Decimal,
    Duration,
    Map
};

/// Says what is wrong with a flag's value at the moment it is parsed.
using Check = Result<void> (*)(std::string_view value);
/// The check of a flag whose value has a grammar of its own.
template <auto parse> Result<void> by_parsing(std::string_view value) {
    auto parsed = parse(value);
    if (parsed) { return ok(); }
    return std::move(parsed).error();
}

struct Flag {
    std::string_view name;
    char letter = 0;
    Kind kind = Kind::Bool;
    std::string_view help;
    std::string_view preset = ""; ///< shown as the default
    std::string_view type = "";   ///< shown in help when it is not the kind's own name
    Check check = nullptr;
    bool hidden = false;
    int version = 0; ///< the API version it needs, as major * 100 + minor
};

class Parsed {
  public:
    bool given(std::string_view flag) const;
    bool on(std::string_view flag, bool otherwise = false) const;
    /// The last value given.
    std::string text(std::string_view flag, std::string_view otherwise = "") const;
    std::vector<std::string> all(std::string_view flag) const;
    std::optional<std::int64_t> number(std::string_view flag) const;
    /// Of a Bytes flag; checked when it was parsed.
    std::int64_t bytes(std::string_view flag) const;

    std::vector<std::string> words; ///< arguments that are not flags
    std::string path;               ///< "shoal container run"
    std::vector<std::pair<const Flag*, std::string>> values;
};

using Action = Result<int> (*)(App& app, const Parsed& parsed);

struct Arguments {
    std::size_t least = 0;
    std::size_t most = SIZE_MAX;
};

struct Command {
    std::string_view usage;   ///< behind the command's words: "[OPTIONS] IMAGE [COMMAND] [ARG...]"
    std::string_view summary; ///< one line
    std::span<const Flag> flags;
    Action action = nullptr;
    Arguments arguments{};
    std::string_view aliases = ""; ///< "container run, run"
    std::string_view details = ""; ///< further text of the help
    bool flags_first = false;      ///< flags end with the first argument
    int bad_usage = 125;           ///< exit code of a wrong flag
    std::span<const Flag> more_flags{};
    bool unparsed = false; ///< every word goes to the action as it is
};

enum class Section { Common, Management, Swarm, Ordinary, Hidden };

struct Group;
struct Entry {
    std::string_view name;
    const Command* command = nullptr;
    const Group* group = nullptr;
    std::string_view other_names = ""; ///< "list ps"
    Section section = Section::Ordinary;
};
struct Group {
    std::string_view summary;
    std::span<const Entry> entries;
};

/// All flags of a command, "help" included.
std::vector<const Flag*> flags_of(const Command& command);
const Entry* find_entry(const Group& group, std::string_view name);

/// The sentence of a wrong flag is Errc::Invalid; "help" is given when --help was met.
Result<Parsed> parse_flags(const std::vector<const Flag*>& flags,
                           std::span<const std::string> words, bool flags_first);
/// "'shoal rm' requires at least 1 argument".
Result<void> check_arguments(const Command& command, const Parsed& parsed);

/// The texts of --help, wrapped at `width` columns.
std::string command_help(const Command& command, std::string_view path, std::string_view program,
                         std::size_t width);
/// "\nCommands:\n  cp          Copy ...\n"; "" when the group has none in that section.
std::string section_help(const Group& group, Section section, std::string_view title);
std::string group_help(const Group& group, std::string_view path, std::size_t width);
std::string flags_help(const std::vector<const Flag*>& flags, std::size_t width);
std::string_view type_name(const Flag& flag);

} // namespace shoal::cli
