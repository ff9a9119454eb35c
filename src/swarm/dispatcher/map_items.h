// What nodes are told of the cluster's networks, item by item (swarm/proto/network_map.proto), as
// functions of the objects. Who is told which of them is cluster_map.h's and node_map.h's business.
#pragma once

#include "swarm/model/network_map.h"
#include "swarm/store/store.h"

#include <optional>
#include <set>

namespace shoal::swarm {

std::string network_key(std::string_view network_id);
std::string endpoint_key(std::string_view network_id, std::string_view task_id);
std::string service_key(std::string_view network_id, std::string_view service_id);
inline constexpr const char* keys_key = "keys";

using MaybeItem = std::optional<mpb::MapItem>;

/// Nothing for stock engines, and before the node has its number.
MaybeItem make_node_item(const pb::Node& node);
/// Nothing for a network that does not span nodes.
MaybeItem make_network_item(const pb::Network& network);
/// Nothing when the task has no node or has ended: then its address belongs to others.
MaybeItem make_endpoint_item(const Store& store, const pb::Task& task,
                             const pb::NetworkAttachment& attachment);
MaybeItem make_service_item(const Store& store, const pb::Service& service,
                            const std::string& network_id);
MaybeItem make_keys_item(const pb::Cluster& cluster);

/// It needs the networks on its node: it is assigned and has not ended.
bool is_placed(const pb::Task& task);
/// The overlays that the service asks for, or has a virtual address on.
std::set<std::string> overlays_of(const Store& store, const pb::Service& service);

} // namespace shoal::swarm
