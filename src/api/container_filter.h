// The filters of GET /containers/json as a pure function over records: what they mean, in Docker's
// reading. Names of images and containers in them have been looked up by the caller.
#pragma once

#include "base/filters.h"
#include "engine/container.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace shoal::api {

struct PortRangeFilter {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    std::string protocol; ///< "tcp" unless given
};

struct ContainerFilter {
    bool all = false; ///< stopped ones too
    Filters filters;
    std::set<int> exited;
    std::vector<PortRangeFilter> exposed;
    std::vector<PortRangeFilter> published;
    // Looked up by the caller:
    bool by_ancestor = false;
    std::set<std::string> ancestors; ///< ids of images, without prefix
    std::optional<Instant> before;   ///< creation time of the container named
    std::optional<Instant> since;

    /// Checks keys and words. `limited`: a limit was given, which means all containers.
    /// Fails: Invalid with Docker's sentences.
    static Result<ContainerFilter> parse(Filters filters, bool all, bool limited);
    bool matches(const engine::Container& container) const;
};

} // namespace shoal::api
