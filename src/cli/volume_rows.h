// Rows of volume lists: one volume of GET /volumes or /system/df as columns. Pure.
#pragma once

#include "base/json.h"
#include "cli/listing.h"

namespace shoal::cli {

inline constexpr std::string_view volume_row_type = "*formatter.volumeContext";
extern const std::vector<std::pair<std::string_view, std::string_view>> volume_headers;
Json volume_row(const Json& volume);

} // namespace shoal::cli
