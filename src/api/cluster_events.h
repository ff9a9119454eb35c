// Events of a cluster's objects: one for each change of the committed store that users can see,
// with old and new values of what they ask about. Every manager tells its own clients. Pure.
#pragma once

#include "engine/events.h"
#include "swarm/store/store.h"

#include <optional>

namespace shoal::api {

/// Of services, nodes, secrets, configs and networks; nothing for the rest, and for a change of a
/// node that only the cluster itself cares about. Scope "swarm"; the time is the publisher's.
std::optional<engine::Event> cluster_event(const swarm::Change& change);

} // namespace shoal::api
