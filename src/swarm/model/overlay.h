// Which networks a task asks for, and which of them span nodes. Everything else of a task is told
// by the program's state alone; one on such a network can only be reached when others know the way
// to it.
#pragma once

#include "swarm/model/object.h"

namespace shoal::swarm {

/// The task's own list, or its service's (there may be none) from the days when that had one.
inline const google::protobuf::RepeatedPtrField<pb::NetworkAttachmentConfig>&
networks_of(const pb::TaskSpec& task, const pb::ServiceSpec* service) {
    return task.networks().empty() && service ? service->networks() : task.networks();
}

inline bool is_overlay(const pb::Network& network) {
    return network.driver_state().name() == "overlay";
}
/// It has an address on the network, which other nodes have to know.
inline bool is_endpoint(const pb::NetworkAttachment& attachment) {
    return attachment.addresses_size() > 0 && is_overlay(attachment.network());
}
bool has_endpoints(const pb::Task& task);

/// Of a service: how connections to it are shared out among its tasks. even, client or local.
inline constexpr std::string_view balance_label = "shoal.balance";

} // namespace shoal::swarm
