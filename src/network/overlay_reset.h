// How a client of a virtual address that says nothing learns that its connection has ended.
#pragma once

#include "network/address.h"
#include "os/conntrack.h"
#include "os/fd.h"

#include <string_view>
#include <vector>

namespace shoal::network {

/// A segment out of place, as if from the virtual address, for each of these that is a TCP
/// connection and has not ended, whose translation the kernel has forgotten before. The client's
/// own stack answers where it is in the stream; nobody has the virtual address, so the rules reset
/// what does not belong to a connection, and that reset is one which the client accepts. Best
/// effort: a client that is gone needs none. In the network namespace that does the translation.
Result<void> provoke_resets(const os::Fd& netns,
                            const std::vector<os::TrackedConnection>& connections);

/// The segment with its IP header: an acknowledgement with both numbers 0.
std::string misplaced_segment(const os::TrackedConnection& connection);

/// What matches such segments in a rule. They must not be tracked: the entry that they would make
/// goes from the virtual address to the client, and what the client sends later from that port
/// would count as an answer that does not fit, and be refused.
inline constexpr std::string_view match_misplaced = "tcp flags == ack tcp sequence 0 tcp ackseq 0";

} // namespace shoal::network
