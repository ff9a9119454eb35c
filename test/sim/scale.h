// One large cluster, to see what the leader's work costs: every node is a whole agent with its
// connection, byte for byte.
#pragma once

#include <cstddef>

namespace shoal::sim {

/// Prints how long it took and how much memory; false when it did not come to be.
bool run_scale(std::size_t nodes, std::size_t tasks);

} // namespace shoal::sim
