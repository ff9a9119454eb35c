// What sockets there are in a network namespace, as the kernel tells (sock_diag). Nothing is kept.
#pragma once

#include "os/fd.h"

#include <cstddef>
#include <cstdint>
#include <set>

namespace shoal::os {

/// Established TCP connections from elsewhere to a port on which something listens in this
/// namespace: those that a container has to bring to an end before it can go. Connections of the
/// namespace to itself do not count.
Result<std::size_t> count_inbound_connections(const Fd& netns);

/// TCP ports on which something listens there, on whatever address.
Result<std::set<std::uint16_t>> listening_ports(const Fd& netns);

} // namespace shoal::os
