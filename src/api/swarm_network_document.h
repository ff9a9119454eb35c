// Networks of the whole swarm as the Engine API shows them: beside local ones in /networks, and
// inside tasks. Pure.
#pragma once

#include "base/json.h"
#include "swarm/store/store.h"

namespace shoal::api {

/// One row of GET /networks and its inspect answer; members on this node are the caller's to add.
Json swarm_network_document(const swarm::pb::Network& network, int version);
Json peer_document(const std::string& node_id, const std::string& address);
/// Peers of a network: the nodes that have something on it, by their addresses in the data path.
Json peers_document(const swarm::Store& store, const swarm::pb::Network& network);
/// Services of a network, by name, with their tasks that are placed; "" for containers that are no
/// service's. `endpoints` has the ids of those on this machine, by the task's name.
Json network_services_document(const swarm::Store& store, const swarm::pb::Network& network,
                               const std::map<std::string, std::string>& endpoints);
/// The form inside NetworksAttachments of a task.
Json attached_network_document(const swarm::pb::Network& network);

} // namespace shoal::api
