// What a stage refers to by --from and from=, and what such a name means. Internal to this folder.
#pragma once

#include "dockerfile/plan.h"

namespace shoal::dockerfile {

struct StageReference {
    std::string name;
    Lines lines;
    bool mount = false;
    std::string target; ///< of the mount
};

/// Of one instruction; those of ONBUILD only when it runs, in the stage that builds upon it.
std::vector<StageReference> references_of(const Instruction& instruction, char escape);

/// The stage that FROM means, which must stand before; -1 for none.
int find_base(const File& file, int stage, std::string_view name);
/// The name given with --build-context that `name` means ("alpine" for "alpine:latest"); "scratch"
/// never does.
std::optional<std::string> find_context(const std::vector<std::string>& contexts,
                                        std::string_view name);
/// "build", or "stage-2" where there is no name.
std::string shown_name(const File& file, int stage);
Result<Origin> resolve_reference(const File& file, int stage, const StageReference& reference,
                                 const std::vector<std::string>& contexts);

} // namespace shoal::dockerfile
