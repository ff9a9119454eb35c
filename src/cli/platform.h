// --platform for operations where the daemon takes a document instead of a text. Pure.
#pragma once

#include "base/json.h"

#include <string_view>

namespace shoal::cli {

/// "linux/arm64/v8" as {"os":"linux","architecture":"arm64","variant":"v8"}.
Result<Json> parse_platform(std::string_view text);

} // namespace shoal::cli
