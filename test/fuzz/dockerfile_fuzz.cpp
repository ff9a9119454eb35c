// Arbitrary bytes as a Dockerfile: whatever it says, it is read, planned and interpreted to the end
// or refused with a sentence, in time that grows with the text. What is taken holds together: lines
// in order, references to earlier stages only, a text that is read the same again.
#include "dockerfile/plan.h"
#include "require.h"

#include <cstdint>

using namespace shoal;
using namespace shoal::dockerfile;

namespace {

template <class R> void require_sentence(const R& result) {
    REQUIRE(result.error().code == Errc::Invalid && !result.error().message.empty());
}

void check_again(const Instruction& instruction) {
    if (!instruction.heredocs.empty()) { return; }
    // The text is one line with the file's own escape, so only the plain cases are compared.
    if (instruction.text.find_first_of("\\`") != std::string::npos) { return; }
    const auto again = parse_instruction(instruction.text);
    REQUIRE(again && again->kind == instruction.kind);
    REQUIRE(again->rest == instruction.rest && again->json == instruction.json);
}

void check_change(const Instruction& instruction) {
    oci::RunConfig config;
    const oci::RunConfig before = config;
    const auto changed = apply_change(config, instruction.text);
    if (!changed) {
        require_sentence(changed);
        REQUIRE(config == before);
    }
}

/// As a builder does: each instruction sees what those before it have set.
void run_stage(const File& file, const PlannedStage& planned, const Plan& plan) {
    const auto& stage = file.stages[static_cast<std::size_t>(planned.index)];
    oci::RunConfig config;
    config.env = {"HOME=/root", "LONG=a/b/c.tar.gz"};
    std::vector<std::pair<std::string, std::string>> args;
    bool cmd_set = false;
    Scope scope{&config, &args, file.directives.escape};
    const BuildArgs given{{"GIVEN", "1"}};
    scope.given = &given;
    scope.globals = &plan.globals;
    for (const auto& instruction : stage.instructions) {
        const auto command = interpret(instruction, scope);
        if (!command) { return require_sentence(command); }
        REQUIRE(command->kind == instruction.kind && !command->text.empty());
        if (const auto* arg = std::get_if<ArgCommand>(&command->what)) {
            for (const auto& one : arg->args) {
                if (const auto value = arg_value(one, given, plan.globals)) {
                    args.emplace_back(one.name, *value);
                }
            }
            continue;
        }
        const Kind kind = instruction.kind;
        if (kind == Kind::Add || kind == Kind::Copy || kind == Kind::Run ||
            kind == Kind::Maintainer) {
            continue;
        }
        const auto applied = apply(config, *command, &cmd_set);
        if (!applied) { return require_sentence(applied); }
        REQUIRE(config.working_dir.empty() || config.working_dir.front() == '/');
    }
}

void check_plan(const File& file, const std::string& target) {
    PlanRequest request;
    request.target = target;
    request.platforms = {"linux/amd64", "linux/arm64"};
    request.contexts = {"named"};
    const auto plan = make_plan(file, request);
    if (!plan) { return require_sentence(plan); }
    REQUIRE(!plan->stages.empty() && plan->stages.size() <= file.stages.size());
    int next = 1;
    for (const auto& planned : plan->stages) {
        REQUIRE(planned.first_step == next);
        const auto& stage = file.stages[static_cast<std::size_t>(planned.index)];
        next += 1 + static_cast<int>(stage.instructions.size());
        for (const int needed : planned.needs) { REQUIRE(needed >= 0 && needed < planned.index); }
        run_stage(file, planned, *plan);
    }
    REQUIRE(plan->steps == next - 1);
    (void)unused_args(file, *plan, {{"GIVEN", "1"}});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto file = parse(input);
    if (!file) {
        require_sentence(file);
        return 0;
    }
    int last = 0;
    for (const auto& stage : file->stages) {
        REQUIRE(!stage.base.empty() && stage.from.lines.first > last);
        last = stage.from.lines.last;
        for (const auto& instruction : stage.instructions) {
            REQUIRE(instruction.lines.first > last);
            REQUIRE(instruction.lines.last >= instruction.lines.first);
            last = instruction.lines.last;
            REQUIRE(!excerpt(*file, instruction.lines).empty());
            check_again(instruction);
            check_change(instruction);
        }
    }
    REQUIRE(last <= static_cast<int>(file->source.size()));
    check_plan(*file, "");
    check_plan(*file, "0");
    return 0;
}
