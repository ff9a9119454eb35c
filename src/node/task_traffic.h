// When a task takes part in the traffic of the cluster's networks: nobody is sent to it before it
// listens, and it is not stopped before connections of others have ended; both for a limited time.
// Whether it gets connections at all is the managers' business.
#pragma once

#include "engine/engine.h"
#include "net/task.h"
#include "net/until.h"
#include "swarm/model/object.h"

#include <set>

namespace shoal::node {

namespace pb = swarm::pb;

/// Ports on which a task without a health check has to listen before it counts as running: all that
/// its service publishes through the mesh; else, on an overlay, one of those that its image
/// exposes.
struct AwaitedPorts {
    std::set<std::uint16_t> ports; ///< TCP
    enum class Which { All, Any } which = Which::All;
    std::chrono::nanoseconds patience{};
};
AwaitedPorts awaited_ports(const pb::Task& task, const container::Config& config);

/// Until it listens, has ended, or was waited for long enough.
net::Task<void> wait_for_listeners(engine::Engine& engine, engine::ContainerPtr container,
                                   swarm::TaskPtr task, net::Until until);
/// Until the connections of others have ended, and none has come for a moment. The nodes send it
/// nothing new by now, but what they sent before may be under way.
net::Task<void> wait_for_quiet(engine::Engine& engine, engine::ContainerPtr container,
                               swarm::TaskPtr task, net::Until until);

} // namespace shoal::node
