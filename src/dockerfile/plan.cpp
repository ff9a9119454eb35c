#include "dockerfile/plan.h"

#include "base/text.h"
#include "dockerfile/command_parts.h"
#include "dockerfile/platform.h"
#include "dockerfile/references.h"
#include "dockerfile/suggest.h"
#include "oci/reference.h"

#include <algorithm>

namespace shoal::dockerfile {
namespace {

using Values = std::map<std::string, std::string>;

constexpr std::size_t missing_max = 100; ///< variables of one word that are named

/// Names the line and shows its text.
Error at_line(const File& file, Error error, Lines lines) {
    if (lines.first == 0) { return error; }
    auto placed =
        std::move(error).with("dockerfile parse error on line " + std::to_string(lines.first));
    placed.message += "\n" + excerpt(file, lines);
    return placed;
}

/// A word of FROM with the global arguments put in, and which names it read.
struct Expanded {
    std::string text;
    std::set<std::string> matched;
    std::set<std::string> missing;
};

Result<Expanded> expand_with(std::string_view word, const Values& values, char escape) {
    Expanded expanded;
    Expansion how;
    how.escape = escape;
    how.lookup = [&](std::string_view name) -> std::optional<std::string> {
        const auto found = values.find(std::string(name));
        if (found == values.end()) { return std::nullopt; }
        expanded.matched.insert(found->first);
        return found->second;
    };
    how.undefined = [&](std::string_view name) {
        if (expanded.missing.size() < missing_max) { expanded.missing.emplace(name); }
    };
    TRY_LET(text, expand(word, how));
    expanded.text = std::move(text);
    return expanded;
}

/// The global ARGs over what is there already. `given` may be empty: what the defaults alone make.
Result<Values> global_values(const File& file, Values values, const BuildArgs& given) {
    for (const auto& instruction : file.global_args) {
        auto read = read_command(instruction, file.directives.escape);
        if (!read) { return at_line(file, std::move(read).error(), instruction.lines); }
        for (const auto& arg : std::get<ArgCommand>(read->what).args) {
            const auto found = given.find(arg.name);
            if (found != given.end() && found->second) {
                values[arg.name] = *found->second;
            } else if (arg.value) {
                auto value = expand_with(*arg.value, values, file.directives.escape);
                if (!value) { return at_line(file, std::move(value).error(), instruction.lines); }
                values[arg.name] = value->text;
            }
        }
    }
    return values;
}

std::set<std::string> names_of(const std::vector<Instruction>& instructions, char escape) {
    std::set<std::string> names;
    for (const auto& instruction : instructions) {
        if (instruction.kind != Kind::Arg) { continue; }
        const auto read = read_command(instruction, escape);
        if (!read) { continue; }
        for (const auto& arg : std::get<ArgCommand>(read->what).args) { names.insert(arg.name); }
    }
    return names;
}

class Planner {
  public:
    Planner(const File& file, const PlanRequest& request) : file_(file), request_(request) {}

    Result<Plan> run() {
        TRY_LET(target, find_target());
        TRY(read_globals(target));
        TRY(read_bases());
        // A wrong name is wrong in any stage, needed or not.
        for (int i = 0; i < count(); ++i) { TRY(find_needs(i)); }
        collect(target);
        number_steps(target);
        plan_.warnings = wanted_warnings(file_, std::move(plan_.warnings));
        auto all = file_.warnings;
        all.insert(all.end(), plan_.warnings.begin(), plan_.warnings.end());
        TRY(check_warnings(file_.directives, all));
        return std::move(plan_);
    }

  private:
    const Stage& stage(int index) const { return file_.stages[static_cast<std::size_t>(index)]; }
    PlannedStage& planned(int index) { return all_[static_cast<std::size_t>(index)]; }
    int count() const { return static_cast<int>(file_.stages.size()); }

    Result<int> find_target() const {
        const auto& wanted = request_.target;
        if (wanted.empty()) { return count() - 1; }
        std::vector<std::string> names;
        for (int i = count() - 1; i >= 0; --i) { // of several with one name the last
            if (equals_ignore_case(stage(i).name, wanted)) { return i; }
            if (!stage(i).name.empty()) { names.push_back(stage(i).name); }
        }
        const auto number = parse_number<int>(wanted);
        if (number && *number >= 0 && *number < count()) { return *number; }
        return invalid("target stage " + go_quote(wanted) + " could not be found" +
                       suggestion(wanted, names));
    }

    Result<void> read_globals(int target) {
        TRY_LET(defaults, platform_args(request_.platforms, stage(target).name));
        for (auto& [name, value] : defaults) {
            const auto found = request_.args.find(name);
            if (found != request_.args.end() && found->second) { value = *found->second; }
        }
        check_defaults(defaults);
        TRY_LET(values, global_values(file_, defaults, request_.args));
        plan_.globals = std::move(values);
        declared_ = names_of(file_.global_args, file_.directives.escape);
        return ok();
    }

    /// Do the FROM lines mean something when no argument is given?
    void check_defaults(const Values& defaults) {
        const auto values = global_values(file_, defaults, {});
        if (!values) { return; } // what is wrong will be said when it is used
        for (const auto& one : file_.stages) {
            const auto base = expand_with(one.base, *values, file_.directives.escape);
            if (!base) { return; }
            if (!oci::Reference::parse(base->text) &&
                find_base(file_, index_of(one), base->text) < 0) {
                warn(one, "InvalidDefaultArgInFrom",
                     "Default value for ARG " + one.base +
                         " results in empty or invalid base image name");
            }
        }
    }
    int index_of(const Stage& one) const { return static_cast<int>(&one - file_.stages.data()); }

    void warn(const Stage& one, const char* rule, std::string message) {
        plan_.warnings.push_back({rule, std::move(message), one.from.lines});
    }

    void warn_of_missing(const Stage& one, const Expanded& expanded) {
        if (expanded.missing.empty()) { return; }
        std::vector<std::string> known(declared_.begin(), declared_.end());
        for (const auto& [name, value] : plan_.globals) { known.push_back(name); }
        for (const auto& name : expanded.missing) {
            if (declared_.count(name) != 0) { continue; }
            warn(one, "UndefinedArgInFrom",
                 "FROM argument '" + name + "' is not declared" + suggestion(name, known));
        }
    }

    Result<void> read_bases() {
        all_.resize(file_.stages.size());
        for (int i = 0; i < count(); ++i) {
            planned(i).index = i;
            auto read = read_base(i);
            if (!read) { return at_line(file_, std::move(read).error(), stage(i).from.lines); }
        }
        return ok();
    }

    Result<void> read_base(int index) {
        const Stage& one = stage(index);
        TRY_LET(base, expand_with(one.base, plan_.globals, file_.directives.escape));
        warn_of_missing(one, base);
        if (base.text.empty()) {
            return invalid("base name (" + one.base + ") should not be blank");
        }
        planned(index).base = origin_of_base(index, base.text);
        if (!one.platform.empty()) { return read_platform(index); }
        return ok();
    }

    Origin origin_of_base(int index, const std::string& name) const {
        if (const auto context = find_context(request_.contexts, name)) {
            return {Origin::Kind::Context, -1, *context};
        }
        if (const int found = find_base(file_, index, name); found >= 0) {
            return {Origin::Kind::Stage, found, ""};
        }
        if (name == "scratch") { return {Origin::Kind::Scratch, -1, ""}; }
        return {Origin::Kind::Image, -1, name};
    }

    Result<void> read_platform(int index) {
        const Stage& one = stage(index);
        auto expanded = expand_with(one.platform, plan_.globals, file_.directives.escape);
        if (!expanded) {
            return std::move(expanded).error().with("failed to process arguments for platform " +
                                                    one.platform);
        }
        warn_of_missing(one, *expanded);
        const auto hint = hint_for(*expanded);
        if (expanded->text.empty()) {
            return invalid("empty platform value from expression " + one.platform + hint);
        }
        auto platform = parse_platform(expanded->text, plan_.globals.at("BUILDPLATFORM"));
        if (!platform) {
            auto error =
                std::move(platform).error().with("failed to parse platform " + one.platform);
            error.message += hint;
            return error;
        }
        planned(index).platform = platform->text();
        check_platform(one, *expanded, *platform);
        return ok();
    }

    std::string hint_for(const Expanded& expanded) const {
        if (expanded.missing.empty()) { return ""; }
        std::vector<std::string> known;
        for (const auto& [name, value] : plan_.globals) { known.push_back(name); }
        for (const auto& name : expanded.missing) {
            if (auto hint = suggestion(name, known); !hint.empty()) { return hint; }
        }
        return "";
    }

    void check_platform(const Stage& one, const Expanded& expanded, const Platform& platform) {
        const bool constant = expanded.matched.empty() && expanded.missing.empty();
        const bool told = one.name.find(platform.os) != std::string::npos ||
                          one.name.find(platform.architecture) != std::string::npos;
        if (constant && !told) {
            warn(one, "FromPlatformFlagConstDisallowed",
                 "FROM --platform flag should not use constant value " + go_quote(expanded.text));
        }
        const std::set<std::string> only{"TARGETPLATFORM"};
        if (expanded.matched == only && expanded.missing.empty() &&
            expanded.text == plan_.globals.at("TARGETPLATFORM")) {
            warn(one, "RedundantTargetPlatform",
                 "Setting platform to predefined " + one.platform +
                     " in FROM is redundant as this is the default behavior");
        }
    }

    /// The stages that the target needs, and what they need.
    void collect(int target) {
        needed_.assign(file_.stages.size(), false);
        std::vector<int> open;
        const auto want = [&](int index) {
            if (needed_[static_cast<std::size_t>(index)]) { return; }
            needed_[static_cast<std::size_t>(index)] = true;
            open.push_back(index);
        };
        want(target);
        for (int i = 0; request_.all_stages && i < target; ++i) { want(i); }
        while (!open.empty()) {
            const int index = open.back();
            open.pop_back();
            for (const int other : planned(index).needs) { want(other); }
        }
    }

    Result<void> find_needs(int index) {
        std::set<int> needs;
        const auto& base = planned(index).base;
        if (base.kind == Origin::Kind::Stage) {
            needs.insert(base.stage);
            TRY(add_triggers(index, base.stage, needs));
        }
        for (const auto& instruction : stage(index).instructions) {
            TRY(add_references(index, instruction, needs));
        }
        planned(index).needs.assign(needs.begin(), needs.end());
        return ok();
    }

    Result<void> add_references(int index, const Instruction& instruction, std::set<int>& needs) {
        for (const auto& reference : references_of(instruction, file_.directives.escape)) {
            auto origin = resolve_reference(file_, index, reference, request_.contexts);
            if (!origin) {
                return at_line(file_, circle_or(std::move(origin).error(), index, reference.name),
                               reference.lines);
            }
            if (origin->kind == Origin::Kind::Stage) { needs.insert(origin->stage); }
        }
        return ok();
    }

    /// What ONBUILD has kept in the base stage runs at the head of this one.
    Result<void> add_triggers(int index, int base, std::set<int>& needs) {
        for (const auto& instruction : stage(base).instructions) {
            if (instruction.kind != Kind::Onbuild) { continue; }
            const auto kept = read_command(instruction, file_.directives.escape);
            if (!kept) { continue; }
            auto trigger = parse_instruction(std::get<WordsCommand>(kept->what).words.front());
            if (!trigger) { continue; } // parse() has looked at it
            trigger->lines = stage(index).from.lines;
            TRY(add_references(index, *trigger, needs));
        }
        return ok();
    }

    /// A later stage that needs this one makes a circle.
    Error circle_or(Error error, int index, std::string_view name) const {
        int later = -1;
        for (int i = index + 1; i < count() && later < 0; ++i) {
            if (equals_ignore_case(stage(i).name, name)) { later = i; }
        }
        if (const auto number = parse_number<int>(name); later < 0 && number && *number > index) {
            later = *number;
        }
        if (later < 0 || later >= count() || !reaches(later, index)) { return error; }
        return invalid("circular dependency detected on stage: " + shown_name(file_, index));
    }

    bool reaches(int from, int wanted) const {
        std::vector<bool> seen(file_.stages.size(), false);
        std::vector<int> open{from};
        while (!open.empty()) {
            const int index = open.back();
            open.pop_back();
            if (index == wanted) { return true; }
            if (seen[static_cast<std::size_t>(index)]) { continue; }
            seen[static_cast<std::size_t>(index)] = true;
            const auto& base = all_[static_cast<std::size_t>(index)].base;
            if (base.kind == Origin::Kind::Stage) { open.push_back(base.stage); }
            for (const auto& instruction : stage(index).instructions) {
                for (const auto& reference : references_of(instruction, file_.directives.escape)) {
                    const auto origin =
                        resolve_reference(file_, count(), reference, request_.contexts);
                    if (origin && origin->kind == Origin::Kind::Stage) {
                        open.push_back(origin->stage);
                    }
                }
            }
        }
        return false;
    }

    void number_steps(int target) {
        int next = 1;
        const auto put = [&](int index) {
            planned(index).first_step = next;
            next += 1 + static_cast<int>(stage(index).instructions.size());
            plan_.stages.push_back(std::move(planned(index)));
        };
        for (int i = 0; i < count(); ++i) {
            if (i != target && needed_[static_cast<std::size_t>(i)]) { put(i); }
        }
        put(target); // all that it needs stands before it
        plan_.steps = next - 1;
    }

    const File& file_;
    const PlanRequest& request_;
    Plan plan_;
    std::vector<PlannedStage> all_;
    std::vector<bool> needed_;
    std::set<std::string> declared_;
};

bool is_automatic(std::string_view name) {
    for (const std::string_view side : {"BUILD", "TARGET"}) {
        if (!name.starts_with(side)) { continue; }
        const auto rest = name.substr(side.size());
        for (const std::string_view what : {"PLATFORM", "OS", "ARCH", "VARIANT", "STAGE"}) {
            if (rest == what) { return true; }
        }
    }
    return false;
}

} // namespace

Result<Plan> make_plan(const File& file, const PlanRequest& request) {
    ASSERT(!file.stages.empty());
    return Planner(file, request).run();
}

bool is_proxy_arg(std::string_view name) {
    for (const std::string_view known :
         {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"}) {
        if (name == known || name == to_upper(known)) { return true; }
    }
    return false;
}

std::optional<std::string> arg_value(const ArgCommand::One& arg, const BuildArgs& given,
                                     const std::map<std::string, std::string>& globals) {
    const auto found = given.find(arg.name);
    if (found != given.end() && found->second) { return found->second; }
    if (arg.value) { return arg.value; }
    const auto global = globals.find(arg.name);
    if (global != globals.end()) { return global->second; }
    return std::nullopt;
}

std::vector<std::string> unused_args(const File& file, const Plan& plan, const BuildArgs& given) {
    auto declared = names_of(file.global_args, file.directives.escape);
    for (const auto& planned : plan.stages) {
        const auto& stage = file.stages[static_cast<std::size_t>(planned.index)];
        declared.merge(names_of(stage.instructions, file.directives.escape));
    }
    std::vector<std::string> unused;
    for (const auto& [name, value] : given) {
        const bool known = declared.count(name) != 0 || is_proxy_arg(name) || is_automatic(name);
        if (!known) { unused.push_back(name); }
    }
    return unused;
}

} // namespace shoal::dockerfile
