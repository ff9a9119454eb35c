// The answer to GET /system/df as rows for people. Pure.
#pragma once

#include "base/clock.h"
#include "base/json.h"

#include <vector>

namespace shoal::cli {

std::vector<Json> usage_summary(const Json& usage);

struct UsageRows {
    std::vector<Json> images, containers, volumes, build_cache;
};
UsageRows usage_rows(const Json& usage, Instant now, bool truncate);
std::int64_t build_cache_bytes(const Json& usage);

} // namespace shoal::cli
