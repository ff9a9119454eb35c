// What nodes may ask for their containers that are no task's: a place on a network of the cluster.
// Functions over a transaction. Such a place (an attachment) is a task without a service, bound to
// its node, which gets its addresses as every task does; it is there until the node gives it back.
#pragma once

#include "swarm/store/store.h"

#include "swarm/proto/resource.pb.h"

#include <string>

namespace shoal::swarm {

inline constexpr std::size_t attachments_of_node_max = 4096;

/// The network that containers can be attached to and that `text` means. Fails: NotFound, and
/// Forbidden when it is not attachable.
Result<NetworkPtr> find_attachable(const Store& store, const std::string& text);

/// The task of the attachment. Asked again for the same container and network, with the same words,
/// it is the one that is there; with others it takes the place of that, unless the container keeps
/// its addresses: then that one gets its names. Fails: NotFound for the
/// network, Forbidden when it is not attachable, Invalid for addresses that cannot be asked for,
/// Exhausted when the node has too many.
Result<TaskPtr> attach_network(Tx& tx, const std::string& node_id,
                               const pb::AttachNetworkRequest& request);

/// Success when there is none. Fails: Forbidden for one of another node.
Result<void> detach_network(Tx& tx, const std::string& node_id, const std::string& attachment_id);

} // namespace shoal::swarm
