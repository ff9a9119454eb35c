// A scenario: from a seed, a cluster of some size in some weather, what its users do, and what goes
// wrong; then everything is mended, and all must be well after a while.
#pragma once

#include "checks.h"

namespace shoal::sim {

struct ScenarioReport {
    std::uint64_t seed = 0;
    std::vector<std::string> failures;
    std::vector<std::string> lines;
    std::uint64_t digest = 0;
    std::uint64_t changes = 0;
    double virtual_seconds = 0;
};

struct ScenarioOptions {
    std::size_t steps = 12;  ///< of users; faults come beside them
    bool keep_lines = false; ///< of every change, too
};

ScenarioReport run_scenario(std::uint64_t seed, const ScenarioOptions& options = {});

} // namespace shoal::sim
