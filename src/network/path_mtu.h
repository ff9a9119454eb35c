// How large a packet may be to reach another node whole: asked of the path itself by echoes that
// must not be cut, because routers and tunnels on the way need not say so. Blocking, for a worker
// thread: a second when the path takes what the link takes, more when it has to look. It remembers
// nothing.
#pragma once

#include "network/address.h"

namespace shoal::network {

/// The largest of the usual sizes, at most `link_mtu`, that goes there and back; with the IP
/// header. Fails: Timeout when nothing answers at all (echoes are blocked: nothing is known of the
/// path).
Result<int> probe_path_mtu(const Ip& to, int link_mtu);

/// The sizes that are tried: of links, tunnels and clouds, the largest first. Pure.
std::vector<int> mtu_candidates(Family family, int link_mtu);

} // namespace shoal::network
