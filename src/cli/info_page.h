// GET /info as people read it. Pure.
#pragma once

#include "base/json.h"

#include <string>

namespace shoal::cli {

std::string info_page(const Json& info);

} // namespace shoal::cli
