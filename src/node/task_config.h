// From a task to a request for a container, in the words of the Engine API. Pure: what the request
// becomes is the engine's business, and whether a service may ask for it the managers'. What this
// engine cannot do is refused here by name.
#pragma once

#include "container/config.h"
#include "node/templates.h"

#include <string>
#include <vector>

namespace shoal::node {

inline constexpr std::string_view label_task = "com.docker.swarm.task";
inline constexpr std::string_view label_task_id = "com.docker.swarm.task.id";
inline constexpr std::string_view label_task_name = "com.docker.swarm.task.name";
inline constexpr std::string_view label_node_id = "com.docker.swarm.node.id";
inline constexpr std::string_view label_service_id = "com.docker.swarm.service.id";
inline constexpr std::string_view label_service_name = "com.docker.swarm.service.name";

/// A secret or config that is ready: bound read-only.
struct FileBind {
    std::string source;
    std::string target;
};

/// `spec` is the task's container with templates expanded (templates.h). Fails: Unsupported,
/// Invalid, naming what is asked for.
Result<container::CreateRequest> make_create_request(const pb::Task& task,
                                                     const pb::ContainerSpec& spec,
                                                     const NodeFacts& node,
                                                     const std::vector<FileBind>& files);

/// A network of every node's own that is not one of the predefined ones: it is made on the node
/// before the container.
std::vector<pb::Network> local_networks(const pb::Task& task);

/// The id of the task whose container this is; "" for one that is no task's. An image that was made
/// of a task's container has its labels too, and so has what is run from it: but not its name.
std::string task_of(const container::Labels& labels, const std::string& container_name);

/// Published on the node itself; with the numbers that were asked for.
std::vector<pb::PortConfig> host_ports(const pb::Task& task);

/// "gpu=a", "licence=3" of the setting node-generic-resources.
std::vector<pb::GenericResource> read_generic_resources(const std::vector<std::string>& texts);

} // namespace shoal::node
