// The public protocol's Health service: whether a manager answers at all. What is wrong with it in
// detail is not told here.
#pragma once

#include "swarm/rpc/server.h"

namespace shoal::swarm {

/// SERVING for every service that the server has, and for ""; "Raft": while `in_log` says that this
/// manager takes part in the log. NotFound for others.
void register_health(RpcServer& server, std::function<bool()> in_log);

} // namespace shoal::swarm
