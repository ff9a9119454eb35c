// JSON values and their safe reading. Json keeps the order of members. parse_json is for input of
// strangers: it limits size and depth and refuses duplicate keys, trailing bytes and invalid UTF-8;
// library exceptions end here.
#pragma once

#include "base/result.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace shoal {

using Json = nlohmann::ordered_json;

struct JsonLimits {
    std::size_t bytes_max = 16 * 1024 * 1024;
    int depth_max = 64;
};

/// Fails: Invalid, with the byte offset or the key at fault.
Result<Json> parse_json(std::string_view text, JsonLimits limits = {});

/// Compact text; invalid UTF-8 in strings is replaced by U+FFFD, so that this cannot fail.
std::string dump_json(const Json& value);
/// Indented with four spaces, Docker's `inspect` form.
std::string pretty_json(const Json& value);

} // namespace shoal
