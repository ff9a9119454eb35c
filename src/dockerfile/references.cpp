#include "dockerfile/references.h"

#include "base/text.h"
#include "dockerfile/command_parts.h"
#include "oci/reference.h"

#include <algorithm>

namespace shoal::dockerfile {
namespace {

int size_of(const File& file) { return static_cast<int>(file.stages.size()); }

const Stage& stage_at(const File& file, int index) {
    return file.stages[static_cast<std::size_t>(index)];
}

/// The stage of that name: the nearest before, else the next one from here on; -1 for none.
int find_stage(const File& file, int stage, std::string_view name) {
    const int before = find_base(file, stage, name);
    if (before >= 0 || name.empty()) { return before; }
    for (int i = stage; i < size_of(file); ++i) {
        if (equals_ignore_case(stage_at(file, i).name, name)) { return i; }
    }
    return -1;
}

std::string normal_name(std::string_view name) {
    const auto reference = oci::Reference::parse(name);
    return reference ? reference->with_default_tag().text() : std::string(name);
}

Error refused(const File& file, int stage, int other, const StageReference& reference) {
    if (other == stage) {
        return invalid("circular dependency detected on stage: " + shown_name(file, stage));
    }
    if (reference.mount) {
        return invalid("cannot mount from stage " + go_quote(reference.name) + " to " +
                       go_quote(reference.target) +
                       ", stage needs to be defined before current command");
    }
    return invalid("cannot copy from stage " + go_quote(reference.name) +
                   ", it needs to be defined before current stage " +
                   go_quote(shown_name(file, stage)));
}

} // namespace

std::vector<StageReference> references_of(const Instruction& instruction, char escape) {
    std::vector<StageReference> references;
    const auto command = read_command(instruction, escape);
    if (!command) {
        return references;
    } // parse() has refused it, or the trigger will be when it runs
    if (const auto* copy = std::get_if<CopyCommand>(&command->what); copy && !copy->from.empty()) {
        references.push_back({copy->from, instruction.lines, false, ""});
    }
    if (const auto* run = std::get_if<RunCommand>(&command->what)) {
        for (const auto& mount : run->mounts) {
            if (mount.from.empty()) { continue; }
            references.push_back({mount.from, instruction.lines, true, mount.target});
        }
    }
    return references;
}

int find_base(const File& file, int stage, std::string_view name) {
    if (name.empty()) { return -1; }
    for (int i = std::min(stage, size_of(file)) - 1; i >= 0; --i) {
        if (equals_ignore_case(stage_at(file, i).name, name)) { return i; }
    }
    return -1;
}

std::optional<std::string> find_context(const std::vector<std::string>& contexts,
                                        std::string_view name) {
    if (name.empty() || equals_ignore_case(name, "scratch")) { return std::nullopt; }
    const auto found =
        std::find_if(contexts.begin(), contexts.end(), [&](const std::string& context) {
            return equals_ignore_case(context, name) || normal_name(context) == normal_name(name);
        });
    return found == contexts.end() ? std::nullopt : std::optional(*found);
}

std::string shown_name(const File& file, int stage) {
    const auto& name = stage_at(file, stage).name;
    return name.empty() ? "stage-" + std::to_string(stage) : name;
}

Result<Origin> resolve_reference(const File& file, int stage, const StageReference& reference,
                                 const std::vector<std::string>& contexts) {
    const auto& name = reference.name;
    if (name.empty()) { return Origin{Origin::Kind::Context, -1, ""}; }
    if (const auto context = find_context(contexts, name)) {
        return Origin{Origin::Kind::Context, -1, *context};
    }
    int found = find_stage(file, stage, name);
    if (const auto number = parse_number<int>(name); found < 0 && number) {
        if (*number < 0 || *number >= size_of(file)) {
            return invalid("invalid stage index " + name);
        }
        found = *number;
    }
    if (found >= stage) { return refused(file, stage, found, reference); }
    if (found >= 0) {
        if (const auto context = find_context(contexts, stage_at(file, found).name)) {
            return Origin{Origin::Kind::Context, -1, *context};
        }
        return Origin{Origin::Kind::Stage, found, ""};
    }
    if (name == "scratch") { return Origin{Origin::Kind::Scratch, -1, ""}; }
    return Origin{Origin::Kind::Image, -1, name};
}

Result<Origin> resolve_from(const File& file, int stage, std::string_view name,
                            const std::vector<std::string>& contexts) {
    return resolve_reference(file, stage, {std::string(name), {}, false, ""}, contexts);
}

} // namespace shoal::dockerfile
