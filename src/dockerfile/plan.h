// Which stages a build needs, in which order they may run, and what the FROM lines mean once the
// global arguments are known. Decides; does not build. Pure.
#pragma once

#include "dockerfile/command.h"

#include <map>

namespace shoal::dockerfile {

struct PlatformArgs {
    std::string build;  ///< "linux/amd64": this machine
    std::string target; ///< what is built for
};

/// Where files or a base come from.
struct Origin {
    enum class Kind { Stage, Image, Context, Scratch };
    Kind kind = Kind::Image;
    int stage = -1;   ///< index into File::stages
    std::string name; ///< of the image or named context
};

struct PlannedStage {
    int index = 0; ///< into File::stages
    Origin base;
    std::string platform;   ///< expanded; "" is the target platform
    std::vector<int> needs; ///< stages that must be done before some step of this one
    int first_step = 0;     ///< number of FROM in "Step n/total"
};

struct Plan {
    std::vector<PlannedStage>
        stages;    ///< only the needed ones, in the file's order; the last is the target
    int steps = 0; ///< total of "Step n/total": all instructions of the needed stages, FROM counted
    /// Global ARGs with their values, and the automatic platform arguments (TARGETPLATFORM, ...):
    /// what a stage's own "ARG NAME" inherits.
    std::map<std::string, std::string> globals;
    std::vector<Warning> warnings;
};

struct PlanRequest {
    std::string target; ///< stage name (any case) or number; "" is the last stage
    BuildArgs args;
    PlatformArgs platforms;
    std::vector<std::string> contexts; ///< names given with --build-context
    bool all_stages = false;           ///< also what is not referenced
};

/// Fails: Invalid: target stage not found, base name should not be blank, a stage that refers to
/// itself or to a later one, an unknown variable in FROM's platform, ...; and with
/// "check=error=true" for any warning of file or plan.
Result<Plan> make_plan(const File& file, const PlanRequest& request);

/// Where `--from=name` or `from=name` of a step in stage `stage` leads. Fails: Invalid for a later
/// stage or itself.
Result<Origin> resolve_from(const File& file, int stage, std::string_view name,
                            const std::vector<std::string>& contexts);

/// What an ARG makes of its name: the client's value, else the default, else the global's. Proxy
/// variables (HTTP_PROXY, ...) are predefined: they need no ARG and do not count for the cache.
bool is_proxy_arg(std::string_view name);
std::optional<std::string> arg_value(const ArgCommand::One& arg, const BuildArgs& given,
                                     const std::map<std::string, std::string>& globals);
/// Names in `given` that no ARG of the needed stages declares: "[Warning] One or more build-args
/// [X] were not consumed".
std::vector<std::string> unused_args(const File& file, const Plan& plan, const BuildArgs& given);

} // namespace shoal::dockerfile
