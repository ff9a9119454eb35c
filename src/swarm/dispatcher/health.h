// The public protocol's Health service: whether a manager answers at all. What is wrong with it in
// detail is not told here.
#pragma once

#include "swarm/rpc/server.h"

namespace shoal::swarm {

/// SERVING for every service that the server has, and for ""; NotFound for others.
void register_health(RpcServer& server);

} // namespace shoal::swarm
