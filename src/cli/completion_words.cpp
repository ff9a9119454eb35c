#include "cli/completion_words.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::cli {
namespace {

// --- what the words of a command name ---

struct Positions {
    std::string_view command;             ///< as the tree names it, "container " left out
    std::vector<std::vector<Names>> each; ///< by position; the last one is repeated when `repeat`
    bool repeat = false;
};

const std::vector<Positions>& all_positions() {
    using enum Names;
    static const std::vector<Positions> all = {
        {"attach", {{Running}}},
        {"build", {{Files}}},
        {"commit", {{Containers}, {Images}}},
        {"cp", {{ContainerPaths, Files}, {ContainerPaths, Files}}},
        {"create", {{Images}, {}}},
        {"diff", {{Containers}}},
        {"exec", {{Running}, {}}},
        {"export", {{Containers}}},
        {"inspect", {{Containers, Images, Volumes, Networks}}, true},
        {"kill", {{Running}}, true},
        {"logs", {{Containers}}},
        {"pause", {{Running}}, true},
        {"port", {{Running}, {}}},
        {"rename", {{Containers}, {}}},
        {"restart", {{Containers}}, true},
        {"rm", {{Containers}}, true},
        {"run", {{Images}, {}}},
        {"start", {{Stopped}}, true},
        {"stats", {{Running}}, true},
        {"stop", {{Running}}, true},
        {"top", {{Running}, {}}},
        {"unpause", {{Running}}, true},
        {"update", {{Containers}}, true},
        {"wait", {{Containers}}, true},
        {"container inspect", {{Containers}}, true},
        {"images", {{Images}}},
        {"image ls", {{Images}}},
        {"history", {{Images}}},
        {"rmi", {{Images}}, true},
        {"image rm", {{Images}}, true},
        {"image inspect", {{Images}}, true},
        {"import", {{Files}, {}}},
        {"pull", {{Images}}},
        {"save", {{Images}}, true},
        {"tag", {{Images}, {Images}}},
        {"volume inspect", {{Volumes}}, true},
        {"volume rm", {{Volumes}}, true},
        {"network connect", {{Networks}, {Containers}}},
        {"network disconnect", {{Networks}, {Containers}}},
        {"network inspect", {{Networks}}, true},
        {"network rm", {{Networks}}, true},
        {"config create", {{}, {Files}}},
        {"config inspect", {{Configs}}, true},
        {"config rm", {{Configs}}, true},
        {"node demote", {{Nodes}}, true},
        {"node inspect", {{Nodes}}, true},
        {"node promote", {{Nodes}}, true},
        {"node ps", {{Nodes}}, true},
        {"node rm", {{Nodes}}, true},
        {"node update", {{Nodes}}},
        {"secret create", {{}, {Files}}},
        {"secret inspect", {{Secrets}}, true},
        {"secret rm", {{Secrets}}, true},
        {"service create", {{Images}, {}}},
        {"service inspect", {{Services}}, true},
        {"service logs", {{Services}}},
        {"service ls", {}},
        {"service ps", {{Services}}, true},
        {"service rebalance", {{Services}}},
        {"service rm", {{Services}}, true},
        {"service rollback", {{Services}}},
        {"service scale", {{ServiceCounts}}, true},
        {"service update", {{Services}}},
        {"swarm backup", {{Files}}},
        {"swarm init", {}},
        {"swarm restore", {{Files}}},
        {"swarm update", {}},
        {"context inspect", {{Contexts}}, true},
        {"context rm", {{Contexts}}, true},
        {"context update", {{Contexts}}},
        {"context use", {{Contexts}}},
    };
    return all;
}

std::vector<Names> names_at(std::string_view command, std::size_t position) {
    const auto& all = all_positions();
    const auto find = [&](std::string_view key) {
        return std::find_if(all.begin(), all.end(),
                            [&](const Positions& entry) { return entry.command == key; });
    };
    auto at = find(command);
    if (at == all.end()) {
        at = find(command.substr(command.find(' ') + 1));
    } // "container stop" is "stop"
    if (at == all.end() || at->each.empty()) { return {}; }
    if (position < at->each.size()) { return at->each[position]; }
    return at->repeat ? at->each.back() : std::vector<Names>{};
}

// --- what the values of flags are ---

struct Values {
    std::string_view flag;
    std::vector<std::string_view> words;
    std::vector<Names> names;
};

const std::vector<Values>& all_values() {
    using enum Names;
    static const std::vector<Values> all = {
        {"availability", {"active", "drain", "pause"}, {}},
        {"build-context", {}, {Files}},
        {"ca-cert", {}, {Files}},
        {"ca-key", {}, {Files}},
        {"config-add", {}, {Configs}},
        {"config-rm", {}, {Configs}},
        {"endpoint-mode", {"dnsrr", "vip"}, {}},
        {"image", {}, {Images}},
        {"mode", {"global", "global-job", "replicated", "replicated-job"}, {}},
        {"network-add", {}, {Networks}},
        {"network-rm", {}, {Networks}},
        {"passphrase-file", {}, {Files}},
        {"restart-condition", {"any", "none", "on-failure"}, {}},
        {"role", {"manager", "worker"}, {}},
        {"rollback-failure-action", {"continue", "pause"}, {}},
        {"rollback-order", {"start-first", "stop-first"}, {}},
        {"secret", {}, {Secrets}},
        {"secret-add", {}, {Secrets}},
        {"secret-rm", {}, {Secrets}},
        {"update-failure-action", {"continue", "pause", "rollback"}, {}},
        {"update-order", {"start-first", "stop-first"}, {}},
        {"cache-from", {}, {Images}},
        {"cache-to", {"type=inline"}, {}},
        {"cgroupns", {"host", "private"}, {}},
        {"cidfile", {}, {Files}},
        {"config", {}, {Files}},
        {"context", {}, {Contexts}},
        {"device", {}, {Files}},
        {"env-file", {}, {Files}},
        {"file", {}, {Files}},
        {"from", {}, {Contexts}},
        {"format", {"json", "table"}, {}},
        {"iidfile", {}, {Files}},
        {"input", {}, {Files}},
        {"ipc", {"host", "none", "private", "shareable", "container:"}, {}},
        {"label-file", {}, {Files}},
        {"link", {}, {Containers}},
        {"log-driver", {"journald", "json-file", "local", "none", "syslog"}, {}},
        {"log-level", {"debug", "info", "warn", "error", "fatal"}, {}},
        {"metadata-file", {}, {Files}},
        {"network", {"host", "none", "container:"}, {Networks}},
        {"net", {"host", "none", "container:"}, {Networks}},
        {"output", {}, {Files}},
        {"pid", {"host", "container:"}, {}},
        {"progress", {"auto", "plain", "tty"}, {}},
        {"pull", {"always", "missing", "never"}, {}},
        {"restart", {"always", "no", "on-failure", "unless-stopped"}, {}},
        {"signal", {"SIGHUP", "SIGINT", "SIGKILL", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"}, {}},
        {"stop-signal",
         {"SIGHUP", "SIGINT", "SIGKILL", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"},
         {}},
        {"tag", {}, {Images}},
        {"tlscacert", {}, {Files}},
        {"tlscert", {}, {Files}},
        {"tlskey", {}, {Files}},
        {"type", {"container", "image", "network", "volume"}, {}},
        {"userns", {"host"}, {}},
        {"uts", {"host"}, {}},
        {"volume", {}, {Volumes, Files}},
        {"volumes-from", {}, {Containers}},
    };
    return all;
}

void add_values(Completion& plan, const Flag& flag) {
    if (flag.kind == Kind::Bool) {
        plan.candidates = {{"true", ""}, {"false", ""}};
        return;
    }
    if (flag.type == "config") { // --config is a folder everywhere else
        plan.names = {Names::Configs};
        return;
    }
    for (const Values& values : all_values()) {
        if (values.flag != flag.name) { continue; }
        for (const auto word : values.words) { plan.candidates.emplace_back(word, ""); }
        plan.names = values.names;
    }
}

// --- following the words ---

using Flags = std::vector<const Flag*>;

const Flag* find_flag(const Flags& flags, std::string_view name) {
    for (const Flag* flag : flags) {
        if (flag->name == name) { return flag; }
    }
    return nullptr;
}

const Flag* find_letter(const Flags& flags, char letter) {
    for (const Flag* flag : flags) {
        if (flag->letter == letter) { return flag; }
    }
    return nullptr;
}

/// The flag whose value is the next word, when `word` is one and has no value in itself.
const Flag* awaits_value(const Flags& flags, std::string_view word) {
    if (word.starts_with("--")) {
        if (word.find('=') != std::string_view::npos) { return nullptr; }
        const Flag* flag = find_flag(flags, word.substr(2));
        return flag != nullptr && flag->kind != Kind::Bool ? flag : nullptr;
    }
    for (std::size_t i = 1; i < word.size(); ++i) {
        const Flag* flag = find_letter(flags, word[i]);
        if (flag == nullptr) { return nullptr; }
        if (flag->kind != Kind::Bool) { return i + 1 == word.size() ? flag : nullptr; }
    }
    return nullptr;
}

struct Place {
    const Group* group;
    const Command* command = nullptr;
    std::string path; ///< "container stop"
    Flags flags;
    const Flag* value_of = nullptr; ///< the word being typed is this flag's value
    bool flags_over = false;
    std::vector<std::string> arguments;
    bool lost = false; ///< a word that no command has
};

void take_word(Place& place, const std::string& word) {
    if (place.value_of != nullptr) {
        place.value_of = nullptr;
        return;
    }
    if (!place.flags_over && word.size() > 1 && word[0] == '-') {
        place.flags_over = word == "--";
        place.value_of = awaits_value(place.flags, word);
        return;
    }
    if (place.command != nullptr) {
        place.arguments.push_back(word);
        place.flags_over = place.flags_over || place.command->flags_first;
        return;
    }
    const Entry* entry = find_entry(*place.group, word);
    if (entry == nullptr) {
        place.lost = true;
        return;
    }
    place.path += (place.path.empty() ? "" : " ") + std::string(entry->name);
    place.command = entry->command;
    if (entry->group != nullptr) { place.group = entry->group; }
    place.flags = entry->command != nullptr ? flags_of(*entry->command) : Flags{};
}

std::string first_line(std::string_view text) {
    return std::string(text.substr(0, text.find('\n')));
}

void add_flags(Completion& plan, const Place& place) {
    for (const Flag* flag : place.flags) {
        if (!flag->hidden) {
            plan.candidates.emplace_back("--" + std::string(flag->name), first_line(flag->help));
        }
    }
}

void add_commands(Completion& plan, const Group& group) {
    for (const Entry& entry : group.entries) {
        if (entry.section == Section::Hidden) { continue; }
        plan.candidates.emplace_back(entry.name, entry.command != nullptr ? entry.command->summary
                                                                          : entry.group->summary);
    }
}

} // namespace

Completion plan_completion(const Group& root, const std::vector<const Flag*>& global_flags,
                           const std::vector<std::string>& words) {
    Completion plan;
    if (words.empty()) { return plan; }
    Place place{&root};
    place.flags = global_flags;
    for (std::size_t i = 0; i + 1 < words.size() && !place.lost; ++i) {
        take_word(place, words[i]);
    }
    plan.typed = words.back();
    plan.taken = place.arguments;
    if (place.lost) { return plan; }
    if (place.value_of != nullptr) {
        add_values(plan, *place.value_of);
        return plan;
    }
    if (!place.flags_over && plan.typed.starts_with('-')) {
        const auto equals = plan.typed.find('=');
        if (!plan.typed.starts_with("--") || equals == std::string::npos) {
            add_flags(plan, place);
            return plan;
        }
        const Flag* flag =
            find_flag(place.flags, std::string_view(plan.typed).substr(2, equals - 2));
        plan.prefix = plan.typed.substr(0, equals + 1);
        plan.typed.erase(0, equals + 1);
        if (flag != nullptr) { add_values(plan, *flag); }
        return plan;
    }
    if (place.command == nullptr) {
        add_commands(plan, *place.group);
        return plan;
    }
    const auto position = place.arguments.size();
    if (position < place.command->arguments.most) { plan.names = names_at(place.path, position); }
    return plan;
}

std::vector<std::string> split_line(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool inside = false;
    char quote = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
            word += line[++i];
            inside = true;
        } else if (quote != 0) {
            if (c == quote) {
                quote = 0;
            } else {
                word += c;
            }
        } else if (c == '\'' || c == '"') {
            quote = c;
            inside = true;
        } else if (c == ' ' || c == '\t' || c == '\n') {
            if (inside) { words.push_back(std::exchange(word, {})); }
            inside = false;
        } else {
            word += c;
            inside = true;
        }
    }
    words.push_back(word);
    return words;
}

} // namespace shoal::cli
