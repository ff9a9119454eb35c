// One sample of a container's use of resources, as the columns of `stats`. Pure.
#pragma once

#include "base/json.h"

#include <string>
#include <vector>

namespace shoal::cli {

inline constexpr std::string_view stats_row_type = "*container.statsContext";
extern const std::vector<std::pair<std::string_view, std::string_view>> stats_headers;

struct StatsEntry {
    std::string container; ///< as it was asked for
    std::string name;
    std::string id;
    double cpu_percent = 0;
    double memory = 0;
    double memory_limit = 0;
    double memory_percent = 0;
    double network_in = 0, network_out = 0;
    double block_in = 0, block_out = 0;
    std::uint64_t processes = 0;
    bool valid = false; ///< a sample has arrived
};

/// From one object of GET /containers/<id>/stats.
StatsEntry read_stats(const std::string& container, const Json& sample);
Json stats_row(const StatsEntry& entry, bool truncate);

} // namespace shoal::cli
