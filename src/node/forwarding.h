// Passing a request of the Engine API on to the manager that leads, over the connection between
// managers, and its answer back.
#pragma once

#include "swarm/manager/control/face.h"
#include "swarm/manager/manager.h"

namespace shoal::node {

/// As Face::forward.
net::Task<Result<std::unique_ptr<swarm::ForwardedAnswer>>>
forward_request(net::Loop& loop, swarm::Manager& manager, swarm::ForwardedRequest request,
                net::Until until);

} // namespace shoal::node
