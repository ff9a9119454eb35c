// The addresses that a new cluster is given for good: pools that its networks' subnets come from,
// the size of a subnet, the port of the data path. Pure; the sentences are those clients of Docker
// know where it has one.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace shoal::swarm {

inline constexpr std::uint32_t subnet_size_max = 29; ///< smaller ones have no room for a service
inline constexpr std::uint32_t data_path_port_min = 1024;
inline constexpr std::uint32_t data_path_port_max = 49151;

/// Empty and 0 are the defaults. Fails: Invalid.
Result<void> check_cluster_addresses(const std::vector<std::string>& pools,
                                     std::uint32_t subnet_size, std::uint32_t data_path_port);

} // namespace shoal::swarm
