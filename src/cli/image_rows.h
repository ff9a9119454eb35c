// Rows of image lists: what one image of GET /images/json is in `images` and in `system df -v`.
// Pure.
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "cli/listing.h"

namespace shoal::cli {

inline constexpr std::string_view image_row_type = "*formatter.imageContext";
extern const std::vector<std::pair<std::string_view, std::string_view>> image_headers;

struct ImageRowOptions {
    bool truncate = true;
    bool digests = false; ///< a row for every digest of a name
};
/// One row for every name of the image.
std::vector<Json> image_rows(const Json& image, Instant now, ImageRowOptions options);
/// The only row that `system df -v` has for it: its first name.
Json image_usage_row(const Json& image, Instant now, ImageRowOptions options);

} // namespace shoal::cli
