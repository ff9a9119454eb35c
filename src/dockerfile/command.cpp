#include "dockerfile/command.h"

#include "base/text.h"
#include "dockerfile/command_parts.h"
#include "dockerfile/suggest.h"

#include <algorithm>

namespace shoal::dockerfile {
namespace {

/// Where programs are looked for when an image does not say.
constexpr std::string_view default_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables that an instruction sees: the environment, then the arguments.
class Variables {
  public:
    explicit Variables(const Scope& scope) {
        if (scope.args != nullptr) {
            for (const auto& [name, value] : *scope.args) { values_[name] = value; }
        }
        if (scope.config != nullptr) {
            for (const auto& entry : scope.config->env) {
                auto [name, value] = cut(entry, '=');
                values_.insert_or_assign(std::move(name), std::move(value));
            }
        }
        values_.emplace("PATH", default_path);
    }
    std::optional<std::string> find(std::string_view name) const {
        const auto found = values_.find(name);
        if (found == values_.end()) { return std::nullopt; }
        return found->second;
    }
    /// Of an ARG; an environment variable of that name stays.
    void add(const std::string& name, const std::string& value) { values_.emplace(name, value); }
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (const auto& [name, value] : values_) { all.push_back(name); }
        return all;
    }

  private:
    std::map<std::string, std::string, std::less<>> values_;
};

constexpr std::size_t missing_max = 100; ///< variables of one instruction that are named

/// Puts the variables into a command and remembers which were missing.
class Expander {
  public:
    explicit Expander(const Scope& scope) : scope_(scope), variables_(scope) {
        how_.escape = scope.escape;
        how_.lookup = [this](std::string_view name) { return variables_.find(name); };
        how_.undefined = [this](std::string_view name) {
            if (missing_.size() < missing_max) { missing_.emplace(name); }
        };
    }
    Expander(const Expander&) = delete;
    Expander& operator=(const Expander&) = delete;

    Result<void> run(Command& command) {
        if (auto* words = std::get_if<WordsCommand>(&command.what)) {
            return expand_words_of(command, *words);
        }
        if (auto* pairs = std::get_if<PairsCommand>(&command.what)) { return expand_pairs(*pairs); }
        if (auto* copy = std::get_if<CopyCommand>(&command.what)) { return expand_copy(*copy); }
        if (auto* arg = std::get_if<ArgCommand>(&command.what)) { return expand_arg(*arg); }
        return ok();
    }

    /// The mounts are read anew, since their values decide what is wrong with them.
    Result<void> run_mounts(const Instruction& instruction, RunCommand& run) {
        run.mounts.clear();
        for (const auto& flag : instruction.flags) {
            if (flag.name != "mount") { continue; }
            TRY_LET(mount, parse_mount(flag.value, &how_));
            TRY(place(mount));
            run.mounts.push_back(std::move(mount));
        }
        return ok();
    }

    void add_warnings(Command& command) const {
        if (missing_.empty()) { return; }
        const auto known = variables_.names();
        for (const auto& name : missing_) {
            if (scope_.declared != nullptr && scope_.declared->count(name) != 0) { continue; }
            command.warnings.push_back({"UndefinedVar",
                                        "Usage of undefined variable '$" + name + "'" +
                                            suggestion(name, known, Case::Matters, "$"),
                                        command.lines});
        }
    }

  private:
    /// A relative target, or none, is in the working directory.
    Result<void> place(RunMount& mount) const {
        if (mount.type == RunMount::Type::Secret || mount.type == RunMount::Type::Ssh) {
            return ok();
        }
        const std::string present = scope_.config != nullptr ? scope_.config->working_dir : "";
        mount.target = joined_directory(present, mount.target);
        if (mount.target == "/") { return invalid("invalid mount target \"/\""); }
        return ok();
    }

    Result<void> one(std::string& text) {
        TRY_LET(expanded, expand(text, how_));
        text = std::move(expanded);
        return ok();
    }
    Result<void> all(std::vector<std::string>& texts) {
        for (auto& text : texts) { TRY(one(text)); }
        return ok();
    }

    Result<void> expand_words_of(Command& command, WordsCommand& words) {
        switch (command.kind) {
        case Kind::From:
        case Kind::Stopsignal:
        case Kind::User:
        case Kind::Volume:
        case Kind::Workdir:
            return all(words.words);
        case Kind::Expose:
            return expand_ports(command, words);
        default:
            return ok();
        }
    }

    Result<void> expand_ports(Command& command, WordsCommand& words) {
        std::sort(words.words.begin(), words.words.end());
        std::vector<std::string> ports;
        for (const auto& word : words.words) {
            TRY_LET(some, expand_words(word, how_));
            ports.insert(ports.end(), some.begin(), some.end());
        }
        TRY_LET(parsed, parse_exposed_ports(ports, command.warnings, command.lines));
        words.words = std::move(parsed);
        return ok();
    }

    Result<void> expand_pairs(PairsCommand& command) {
        for (auto& [key, value] : command.pairs) {
            TRY(one(key));
            TRY(one(value));
        }
        return ok();
    }

    Result<void> expand_copy(CopyCommand& command) {
        for (auto* text : {&command.chown, &command.chmod, &command.checksum}) { TRY(one(*text)); }
        TRY(all(command.sources));
        TRY(one(command.destination));
        auto in_text = how_;
        in_text.escape = '\\';
        in_text.plain_quotes = true;
        for (auto& file : command.inline_files) {
            if (!file.expand) { continue; }
            TRY_LET(content, expand(file.content, in_text));
            file.content = std::move(content);
        }
        return ok();
    }

    /// An argument that the client gives needs no default, whatever is wrong with that one.
    Result<void> expand_arg(ArgCommand& command) {
        std::size_t bytes = 0;
        const auto count = [&](const std::string& name, const std::string& value) {
            bytes += name.size() + value.size();
        };
        if (scope_.args != nullptr) {
            for (const auto& [name, value] : *scope_.args) { count(name, value); }
        }
        for (auto& arg : command.args) {
            TRY_LET(value, value_of(arg));
            if (!value) { continue; }
            variables_.add(arg.name, *value);
            count(arg.name, *value);
            if (bytes > settings_bytes_max) {
                return invalid("the build arguments would have more than " +
                               std::to_string(settings_bytes_max) + " bytes");
            }
        }
        return ok();
    }

    Result<std::optional<std::string>> value_of(ArgCommand::One& arg) {
        if (auto given = given_value(arg.name)) { return given; }
        if (arg.value) {
            TRY(one(*arg.value));
            return arg.value;
        }
        if (scope_.globals == nullptr) { return std::optional<std::string>(); }
        const auto global = scope_.globals->find(arg.name);
        return global == scope_.globals->end() ? std::nullopt : std::optional(global->second);
    }

    std::optional<std::string> given_value(const std::string& name) const {
        if (scope_.given == nullptr) { return std::nullopt; }
        const auto found = scope_.given->find(name);
        return found == scope_.given->end() ? std::nullopt : found->second;
    }

    const Scope& scope_;
    Variables variables_;
    Expansion how_;
    std::set<std::string> missing_;
};

Result<void> check_after(const Command& command) {
    const auto* words = std::get_if<WordsCommand>(&command.what);
    if (words == nullptr) { return ok(); }
    const bool blank = std::any_of(words->words.begin(), words->words.end(),
                                   [](const std::string& word) { return trim(word).empty(); });
    if (command.kind == Kind::Volume && blank) {
        return invalid("VOLUME specified can not be an empty string");
    }
    if (command.kind == Kind::From && blank) { return invalid("base name should not be blank"); }
    return ok();
}

Result<void> check_names(const Command& command) {
    const auto* pairs = std::get_if<PairsCommand>(&command.what);
    if (pairs == nullptr) { return ok(); }
    for (const auto& [key, value] : pairs->pairs) {
        if (key.empty()) {
            return invalid(std::string(name_of(command.kind)) + " names can not be blank");
        }
    }
    return ok();
}

Result<Command> interpret_it(const Instruction& instruction, const Scope& scope) {
    TRY_LET(command, read_command(instruction, scope.escape));
    Expander expander(scope);
    TRY(expander.run(command));
    if (auto* run = std::get_if<RunCommand>(&command.what)) {
        TRY(expander.run_mounts(instruction, *run));
    }
    TRY(check_after(command));
    TRY(check_names(command));
    expander.add_warnings(command);
    const oci::RunConfig nothing;
    command.text = history_text(command, instruction, scope.config ? *scope.config : nothing);
    return std::move(command);
}

} // namespace

Result<Command> interpret(const Instruction& instruction, const Scope& scope) {
    auto command = interpret_it(instruction, scope);
    if (!command && instruction.lines.first > 0) {
        return std::move(command).with("dockerfile parse error on line " +
                                       std::to_string(instruction.lines.first));
    }
    if (!command) { return command; }
    const Directives none;
    const Directives& directives = scope.directives != nullptr ? *scope.directives : none;
    std::erase_if(command->warnings, [&](const Warning& warning) {
        return is_skipped(directives, instruction.skipped_checks, warning.rule);
    });
    TRY(check_warnings(directives, command->warnings));
    return command;
}

} // namespace shoal::dockerfile
