// The environment variables of legacy links (--link): DB_PORT_5432_TCP_ADDR and its relatives.
// Pure.
#pragma once

#include "container/config.h"

#include <string>
#include <string_view>
#include <vector>

namespace shoal::engine {

/// `owner` is the linking container's name, `address` the linked one's on the default bridge; ""
/// gives nothing.
std::vector<std::string> link_environment(std::string_view owner, std::string_view alias,
                                          const container::Config& linked,
                                          std::string_view address);

} // namespace shoal::engine
