#include "dockerfile/command_parts.h"

#include "base/text.h"

namespace shoal::dockerfile {
namespace {

using Words = std::vector<std::string>;

/// Go's %v of a list.
std::string plain_list(const Words& words) { return "[" + join(words, " ") + "]"; }

/// Go's %q of a list.
std::string quoted_list(const Words& words) {
    Words quoted;
    for (const auto& word : words) { quoted.push_back(go_quote(word)); }
    return plain_list(quoted);
}

std::string text_of(const CopyCommand& copy) {
    Words parts{copy.add ? "ADD" : "COPY"};
    if (copy.parents) { parts.emplace_back("--parents"); }
    if (!copy.chown.empty()) { parts.push_back("--chown=" + copy.chown); }
    if (!copy.chmod.empty()) { parts.push_back("--chmod=" + copy.chmod); }
    if (copy.link) { parts.emplace_back("--link"); }
    for (const auto& source : copy.sources) { parts.push_back(source); }
    for (const auto& file : copy.inline_files) { parts.push_back("<<" + file.name); }
    parts.push_back(copy.destination);
    return join(parts, " ");
}

std::string text_of(const PairsCommand& command, std::string text) {
    for (const auto& [key, value] : command.pairs) { text += " " + key + "=" + value; }
    return text;
}

std::string text_of(const ArgCommand& command) {
    std::string text = "ARG";
    for (const auto& arg : command.args) {
        text += " " + arg.name;
        if (arg.value) { text += "=" + *arg.value; }
    }
    return text;
}

std::string text_of(const WordsCommand& command, Kind kind, const oci::RunConfig& config) {
    const std::string name(name_of(kind));
    switch (kind) {
    case Kind::Cmd:
    case Kind::Entrypoint:
        return name + " " +
               quoted_list(command.shell ? with_shell(config, command.words.front())
                                         : command.words);
    case Kind::Expose:
    case Kind::Shell:
    case Kind::Volume:
        return name + " " + plain_list(command.words);
    case Kind::Workdir:
        return name + " " + joined_directory(config.working_dir, command.words.front());
    default:
        return name + " " + join(command.words, " ");
    }
}

/// As it is written, but for its name.
std::string text_of(const Instruction& instruction) {
    if (instruction.keyword.empty()) { return instruction.text; } // made here, not read
    return std::string(name_of(instruction.kind)) +
           instruction.text.substr(instruction.keyword.size());
}

} // namespace

std::string history_text(const Command& command, const Instruction& instruction,
                         const oci::RunConfig& config) {
    if (command.kind == Kind::From) { return text_of(instruction); }
    if (const auto* words = std::get_if<WordsCommand>(&command.what)) {
        return text_of(*words, command.kind, config);
    }
    if (const auto* pairs = std::get_if<PairsCommand>(&command.what)) {
        return text_of(*pairs, std::string(name_of(command.kind)));
    }
    if (const auto* arg = std::get_if<ArgCommand>(&command.what)) { return text_of(*arg); }
    if (const auto* copy = std::get_if<CopyCommand>(&command.what)) { return text_of(*copy); }
    return text_of(instruction); // RUN, HEALTHCHECK
}

} // namespace shoal::dockerfile
