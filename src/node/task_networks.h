// The networks of a task, as the engine is told of them. Pure.
#pragma once

#include "network/types.h"
#include "swarm/model/object.h"

#include <vector>

namespace shoal::node {

namespace pb = swarm::pb;

/// On networks that span nodes, ingress among them.
std::vector<pb::NetworkAttachment> overlay_attachments(const pb::Task& task);
bool is_overlay(const pb::Network& network);
/// One of those that every node has.
bool is_predefined(const pb::Network& network);

/// A network of this node's own, as it was asked for.
network::Definition local_definition(const pb::Network& from);
/// A network that spans nodes, with what the managers have given it. Fails: Invalid.
Result<network::Definition> overlay_definition(const pb::Network& from);
/// Without prefix length.
std::vector<network::Ip> addresses_of(const pb::NetworkAttachment& attachment);

} // namespace shoal::node
