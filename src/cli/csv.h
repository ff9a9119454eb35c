// One line of comma-separated values with double quotes, as --mount, --gpus and --network take
// them. Pure.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace shoal::cli {

Result<std::vector<std::string>> parse_csv(std::string_view line);

} // namespace shoal::cli
