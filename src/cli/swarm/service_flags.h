// The flags of `service create` and `service update`.
#pragma once

#include "cli/command.h"

namespace shoal::cli::swarm {

std::span<const Flag> service_create_flags();
std::span<const Flag> service_update_flags();

} // namespace shoal::cli::swarm
