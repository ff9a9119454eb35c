// Networks of the whole swarm as the Engine API shows them: beside local ones in /networks, and
// inside tasks. Pure.
#pragma once

#include "base/json.h"
#include "swarm/model/object.h"

namespace shoal::api {

/// One row of GET /networks and its inspect answer; members on this node are the caller's to add.
Json swarm_network_document(const swarm::pb::Network& network, int version);
/// The form inside NetworksAttachments of a task.
Json attached_network_document(const swarm::pb::Network& network);

} // namespace shoal::api
