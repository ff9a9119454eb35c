// Syntax of the names users give to objects of a cluster. Pure.
#pragma once

#include "base/result.h"

#include <string_view>

namespace shoal::swarm {

inline constexpr std::size_t dns_name_max = 63;
inline constexpr std::size_t data_name_max = 64;

/// Of services and networks: letters, digits, '-' and '_', neither of the two at an end. Fails:
/// Invalid "name must be valid as a DNS name component" and its kin.
Result<void> check_dns_name(std::string_view name);
/// Of secrets and configs: dots as well.
Result<void> check_data_name(std::string_view name);

} // namespace shoal::swarm
