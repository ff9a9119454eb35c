// The tree of all commands.
#pragma once

#include "cli/command.h"

namespace shoal::cli {

const Group& root_group();
std::string root_help(std::string_view program, std::string_view global_flags);
std::string version_line(std::string_view program); ///< "Shoal version 0.1.0"

} // namespace shoal::cli
