// Rows of container lists: one container of GET /containers/json or /system/df as the columns of
// `ps` and `system df -v`. Pure.
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "cli/listing.h"

namespace shoal::cli {

inline constexpr std::string_view container_row_type = "*formatter.ContainerContext";
extern const std::vector<std::pair<std::string_view, std::string_view>> container_headers;

Json container_row(const Json& container, Instant now, bool truncate);

/// "0.0.0.0:8080->80/tcp, 90-92/udp": neighbours are one range.
std::string ports_text(const Json& ports);

} // namespace shoal::cli
