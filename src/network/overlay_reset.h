// How a client of a virtual address that says nothing learns that its connection has ended.
#pragma once

#include "network/address.h"
#include "os/conntrack.h"
#include "os/fd.h"

#include <vector>

namespace shoal::network {

/// A segment out of place, as if from the virtual address, for each of these TCP connections, whose
/// translation the kernel has forgotten before. The client's own stack answers where it is in the
/// stream; nobody has the virtual address, so the rules reset what does not belong to a connection,
/// and that reset is one which the client accepts. Best effort: a client that is gone needs none.
/// In the network namespace that does the translation.
Result<void> provoke_resets(const os::Fd& netns,
                            const std::vector<os::TrackedConnection>& connections);

/// The segment with its IP header.
std::string misplaced_segment(const os::TrackedConnection& connection);

} // namespace shoal::network
