#include "dockerfile/checks.h"

#include "base/text.h"
#include "dockerfile/words.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace shoal::dockerfile {
namespace {

bool is_lower(std::string_view text) { return text == to_lower(text); }
bool is_upper(std::string_view text) { return text == to_upper(text); }

/// What a stage hands on to those that build upon it.
struct Inherited {
    bool has_workdir = false;
    bool has_shell = false;
};

class Checker {
  public:
    explicit Checker(const File& file) : file_(file) {}

    std::vector<Warning> run() {
        for (const auto& stage : file_.stages) {
            check_from(stage.from);
            check_name(stage);
            check_stage(stage);
        }
        check_casing();
        return std::move(warnings_);
    }

  private:
    void warn(const char* rule, std::string message, Lines lines) {
        warnings_.push_back({rule, std::move(message), lines});
    }

    void check_from(const Instruction& from) {
        const auto words = split_blanks(from.rest);
        if (words.size() != 3) { return; }
        if (!is_lower(words[2])) {
            warn("StageNameCasing", "Stage name '" + words[2] + "' should be lowercase",
                 from.lines);
        }
        const auto& keyword = from.keyword;
        // A keyword that is neither says nothing about the other one.
        const bool differs = is_lower(keyword)   ? !is_lower(words[1])
                             : is_upper(keyword) ? !is_upper(words[1])
                                                 : false;
        if (differs) {
            warn("FromAsCasing",
                 "'" + words[1] + "' and '" + keyword + "' keywords' casing do not match",
                 from.lines);
        }
    }

    void check_name(const Stage& stage) {
        if (stage.name.empty()) { return; }
        if (stage.name == "context" || stage.name == "scratch") {
            warn("ReservedStageName",
                 "Stage name should not use the same name as reserved stage " +
                     go_quote(stage.name),
                 stage.from.lines);
        }
        if (!names_.insert(stage.name).second) {
            warn("DuplicateStageName",
                 "Duplicate stage name " + go_quote(stage.name) + ", stage names should be unique",
                 stage.from.lines);
        }
    }

    void check_stage(const Stage& stage) {
        const auto base = inherited_.find(to_lower(stage.base));
        Inherited state = base == inherited_.end() ? Inherited{} : base->second;
        std::map<Kind, const Instruction*> before;
        for (const auto& instruction : stage.instructions) {
            check_one(instruction, state);
            check_repeated(instruction, before);
        }
        if (!stage.name.empty()) { inherited_[stage.name] = state; }
    }

    void check_one(const Instruction& instruction, Inherited& state) {
        switch (instruction.kind) {
        case Kind::Maintainer:
            warn("MaintainerDeprecated",
                 "Maintainer instruction is deprecated in favor of using label", instruction.lines);
            break;
        case Kind::Env:
        case Kind::Label:
            check_pairs(instruction);
            break;
        case Kind::Arg:
            check_secrets(instruction);
            break;
        case Kind::Shell:
            state.has_shell = true;
            break;
        case Kind::Cmd:
        case Kind::Entrypoint:
            if (!instruction.json && !state.has_shell) {
                warn("JSONArgsRecommended",
                     "JSON arguments recommended for " + std::string(name_of(instruction.kind)) +
                         " to prevent unintended behavior related to OS signals",
                     instruction.lines);
            }
            break;
        case Kind::Workdir:
            check_workdir(instruction, state);
            break;
        default:
            break;
        }
    }

    void check_workdir(const Instruction& instruction, Inherited& state) {
        const char first = instruction.rest.front();
        // What begins with a variable or a quote is known only when it runs.
        const bool open = first == '$' || first == '"' || first == '\'';
        if (!state.has_workdir && first != '/' && !open) {
            warn("WorkdirRelativePath",
                 "Relative workdir " + go_quote(instruction.rest) +
                     " can have unexpected results if the base image changes",
                 instruction.lines);
        }
        state.has_workdir = true;
    }

    void check_pairs(const Instruction& instruction) {
        const auto words = split_quoted(instruction.rest, file_.directives.escape);
        if (words.front().find('=') == std::string::npos) {
            const std::string name(name_of(instruction.kind));
            warn("LegacyKeyValueFormat",
                 "\"" + name + " key=value\" should be used instead of legacy \"" + name +
                     " key value\" format",
                 instruction.lines);
            if (instruction.kind == Kind::Env) { check_secret("ENV", words.front(), instruction); }
            return;
        }
        if (instruction.kind == Kind::Env) { check_secrets(instruction); }
    }

    void check_secrets(const Instruction& instruction) {
        for (const auto& word : split_quoted(instruction.rest, file_.directives.escape)) {
            check_secret(std::string(name_of(instruction.kind)), cut(word, '=').first, instruction);
        }
    }

    /// Does one of the words between underscores say that it is to be kept secret?
    void check_secret(const std::string& what, const std::string& name,
                      const Instruction& instruction) {
        constexpr std::array<std::string_view, 10> secret{
            "apikey",   "auth",  "credential", "credentials", "key",
            "password", "pword", "passwd",     "secret",      "token"};
        constexpr std::array<std::string_view, 3> harmless{"public", "file", "version"};
        bool is_secret = false;
        for (const auto& part : split(to_lower(name), '_')) {
            if (std::find(harmless.begin(), harmless.end(), part) != harmless.end()) { return; }
            is_secret = is_secret || std::find(secret.begin(), secret.end(), part) != secret.end();
        }
        if (is_secret) {
            warn("SecretsUsedInArgOrEnv",
                 "Do not use ARG or ENV instructions for sensitive data (" + what + " " +
                     go_quote(name) + ")",
                 instruction.lines);
        }
    }

    void check_repeated(const Instruction& instruction,
                        std::map<Kind, const Instruction*>& before) {
        const Kind kind = instruction.kind;
        if (kind != Kind::Cmd && kind != Kind::Entrypoint && kind != Kind::Healthcheck) { return; }
        if (const auto* earlier = before[kind]) {
            warn("MultipleInstructionsDisallowed",
                 "Multiple " + std::string(name_of(kind)) +
                     " instructions should not be used in the same stage because only the last one "
                     "will be used",
                 earlier->lines);
        }
        before[kind] = &instruction;
    }

    void check_casing() {
        std::vector<const Instruction*> all;
        for (const auto& stage : file_.stages) {
            all.push_back(&stage.from);
            for (const auto& instruction : stage.instructions) { all.push_back(&instruction); }
        }
        std::size_t lower = 0;
        std::size_t upper = 0;
        for (const auto* one : all) {
            lower += is_lower(one->keyword) ? 1 : 0;
            upper += is_upper(one->keyword) ? 1 : 0;
        }
        const bool mostly_lower = lower > upper;
        for (const auto* one : all) {
            if (mostly_lower ? is_lower(one->keyword) : is_upper(one->keyword)) { continue; }
            warn("ConsistentInstructionCasing",
                 "Command '" + one->keyword + "' should match the case of the command majority (" +
                     (mostly_lower ? "lowercase" : "uppercase") + ")",
                 one->lines);
        }
    }

    const File& file_;
    std::set<std::string> names_;
    std::map<std::string, Inherited> inherited_;
    std::vector<Warning> warnings_;
};

bool has(const std::vector<std::string>& rules, std::string_view rule) {
    return std::any_of(rules.begin(), rules.end(), [&](const std::string& candidate) {
        return candidate == rule || candidate == "all";
    });
}

} // namespace

std::vector<Warning> find_warnings(const File& file) { return Checker(file).run(); }

Warning empty_continuation_warning(int line) {
    return {"NoEmptyContinuation", "Empty continuation line", {line, line}};
}

bool is_skipped(const Directives& directives, const std::vector<std::string>& by_comment,
                std::string_view rule) {
    return has(directives.skipped_checks, rule) || has(by_comment, rule);
}

std::vector<Warning> wanted_warnings(const File& file, std::vector<Warning> warnings) {
    std::map<int, const std::vector<std::string>*> comments;
    const auto note = [&](const Instruction& instruction) {
        comments[instruction.lines.first] = &instruction.skipped_checks;
    };
    for (const auto& stage : file.stages) {
        note(stage.from);
        for (const auto& instruction : stage.instructions) { note(instruction); }
    }
    const std::vector<std::string> none;
    const auto unwanted = [&](const Warning& warning) {
        const auto found = comments.find(warning.lines.first);
        return is_skipped(file.directives, found == comments.end() ? none : *found->second,
                          warning.rule);
    };
    warnings.erase(std::remove_if(warnings.begin(), warnings.end(), unwanted), warnings.end());
    return warnings;
}

Result<void> check_warnings(const Directives& directives, const std::vector<Warning>& warnings) {
    if (!directives.checks_are_errors || warnings.empty()) { return ok(); }
    std::set<std::string> rules;
    for (const auto& warning : warnings) { rules.insert(warning.rule); }
    std::string text = "lint violation found for rules: " +
                       join(std::vector<std::string>(rules.begin(), rules.end()), ", ");
    for (const auto& warning : warnings) {
        text += "\n" + warning.rule + ": " + warning.message;
        if (warning.lines.first > 0) {
            text += " (line " + std::to_string(warning.lines.first) + ")";
        }
    }
    return invalid(text);
}

} // namespace shoal::dockerfile
