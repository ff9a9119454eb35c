// The text of --help in the layout people know from Docker.
#include "cli/tree.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

constexpr std::size_t column_min = 24; ///< narrower columns are not worth breaking lines for
constexpr std::size_t slack = 5;       ///< a line may grow by this much rather than be broken

/// One piece of at most `width` characters, broken at a blank.
std::string_view take_piece(std::string_view& text, std::size_t width) {
    const auto line_end = text.find('\n');
    if (width + slack > text.size() && line_end == std::string_view::npos) {
        return std::exchange(text, {});
    }
    std::size_t at = std::string_view::npos;
    if (line_end != std::string_view::npos && line_end <= width) {
        at = line_end;
    } else if (width < text.size()) {
        at = text.substr(0, width).find_last_of(" \n");
    } else {
        at = line_end;
    }
    if (at == std::string_view::npos || at == 0) { return std::exchange(text, {}); }
    const auto piece = text.substr(0, at);
    text.remove_prefix(at + 1);
    return piece;
}

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
    std::string out;
    if (width < indent + column_min) {
        indent = 16;
        out += '\n' + std::string(indent, ' ');
    }
    if (width < indent + column_min) { return out + std::string(text); }
    const std::size_t column = width - indent - slack;
    bool first = true;
    while (first || !text.empty()) {
        if (!first) { out += '\n' + std::string(indent, ' '); }
        out += take_piece(text, column);
        first = false;
    }
    return out;
}

std::string left_of(const Flag& flag) {
    std::string left = flag.letter != 0 ? fmt::format("  -{}, --{}", flag.letter, flag.name)
                                        : fmt::format("      --{}", flag.name);
    const auto type = type_name(flag);
    return type.empty() ? left : left + " " + std::string(type);
}

std::string default_of(const Flag& flag) {
    if (flag.preset.empty()) { return ""; }
    const bool quoted = flag.kind == Kind::Text && flag.type.empty();
    return quoted ? fmt::format(" (default \"{}\")", flag.preset)
                  : fmt::format(" (default {})", flag.preset);
}

} // namespace

std::string_view type_name(const Flag& flag) {
    if (!flag.type.empty()) { return flag.type; }
    switch (flag.kind) {
    case Kind::Bool:
        return "";
    case Kind::Text:
        return "string";
    case Kind::List:
        return "list";
    case Kind::Words:
        return "strings";
    case Kind::Int:
        return "int";
    case Kind::Uint16:
        return "uint16";
    case Kind::Uint:
        return "uint";
    case Kind::Bytes:
    case Kind::MemorySwap:
        return "bytes";
    case Kind::Decimal:
        return "decimal";
    case Kind::Duration:
        return "duration";
    case Kind::Map:
        return "map";
    }
    return "";
}

std::string flags_help(const std::vector<const Flag*>& flags, std::size_t width) {
    std::vector<const Flag*> shown;
    std::size_t widest = 0;
    for (const Flag* flag : flags) {
        if (flag->hidden) { continue; }
        shown.push_back(flag);
        widest = std::max(widest, left_of(*flag).size());
    }
    std::sort(shown.begin(), shown.end(),
              [](const Flag* a, const Flag* b) { return a->name < b->name; });
    std::string out;
    for (const Flag* flag : shown) {
        const std::string left = left_of(*flag);
        out += left + std::string(widest - left.size() + 3, ' ');
        out += wrapped(std::string(flag->help) + default_of(*flag), widest + 3, width) + "\n";
    }
    return out;
}

std::string command_help(const Command& command, std::string_view path, std::string_view program,
                         std::size_t width) {
    std::string out = fmt::format("Usage:  {}{}{}\n\n{}\n", path, command.usage.empty() ? "" : " ",
                                  replace_all(command.usage, "$", program), command.summary);
    if (!command.details.empty()) {
        out += fmt::format("\n{}\n", replace_all(command.details, "$", program));
    }
    if (!command.aliases.empty()) {
        std::vector<std::string> names;
        for (const auto& alias : split(command.aliases, ',')) {
            names.push_back(fmt::format("{} {}", program, trim(alias)));
        }
        out += fmt::format("\nAliases:\n  {}\n", join(names, ", "));
    }
    auto flags = flags_of(command);
    const bool has_letter_h = std::any_of(flags.begin(), flags.end(),
                                          [](const Flag* flag) { return flag->letter == 'h'; });
    if (!has_letter_h) { flags.pop_back(); } // only where -h means something else is --help shown
    const std::string text = flags_help(flags, width);
    if (!text.empty()) { out += "\nOptions:\n" + text; }
    return out;
}

std::string section_help(const Group& group, Section section, std::string_view title) {
    std::vector<const Entry*> shown;
    std::size_t widest = 0;
    for (const Entry& entry : group.entries) {
        if (entry.section == Section::Hidden) { continue; }
        widest = std::max(widest, entry.name.size());
        if (entry.section == section) { shown.push_back(&entry); }
    }
    if (shown.empty()) { return ""; }
    if (section != Section::Common) {
        std::sort(shown.begin(), shown.end(),
                  [](const Entry* a, const Entry* b) { return a->name < b->name; });
    }
    std::string out = fmt::format("\n{}:\n", title);
    for (const Entry* entry : shown) {
        const auto summary =
            entry->command != nullptr ? entry->command->summary : entry->group->summary;
        out +=
            fmt::format("  {:<{}} {}\n", entry->name, std::max<std::size_t>(widest, 11), summary);
    }
    return out;
}

std::string group_help(const Group& group, std::string_view path, std::size_t) {
    std::string out = fmt::format("Usage:  {} COMMAND\n\n{}\n", path, group.summary);
    out += section_help(group, Section::Ordinary, "Commands");
    out += fmt::format("\nRun '{} COMMAND --help' for more information on a command.\n", path);
    return out;
}

std::string root_help(std::string_view program, std::string_view global_flags) {
    const Group& root = root_group();
    std::string out = fmt::format("Usage:  {} [OPTIONS] COMMAND\n\n{}\n", program, root.summary);
    out += section_help(root, Section::Common, "Common Commands");
    out += section_help(root, Section::Management, "Management Commands");
    out += section_help(root, Section::Swarm, "Swarm Commands");
    out += section_help(root, Section::Ordinary, "Commands");
    out += fmt::format("\nGlobal Options:\n{}", global_flags);
    return out +
           fmt::format("\nRun '{} COMMAND --help' for more information on a command.\n", program);
}

} // namespace shoal::cli
