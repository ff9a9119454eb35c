#include "cli/platform.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {

Result<Json> parse_platform(std::string_view text) {
    const auto parts = split(to_lower(text), '/');
    if (parts.size() > 3 ||
        std::any_of(parts.begin(), parts.end(), [](const auto& word) { return word.empty(); })) {
        return invalid(fmt::format("invalid platform: {}: invalid argument", go_quote(text)));
    }
    Json platform{{"os", parts[0]}};
    if (parts.size() > 1) { platform["architecture"] = parts[1]; }
    if (parts.size() > 2) { platform["variant"] = parts[2]; }
    return platform;
}

} // namespace shoal::cli
