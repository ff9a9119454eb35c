// Templates of tasks: "{{.Task.Slot}}" in environment, host name, mounts and volume options of a
// container, and in secrets and configs that ask for it. The words are Docker's. It looks nothing
// up: what a payload may read of other secrets and configs comes in.
#pragma once

#include "base/json.h"
#include "swarm/model/object.h"

#include <functional>
#include <map>

namespace shoal::node {

namespace pb = swarm::pb;

/// What tasks may know of the node they are on.
struct NodeFacts {
    std::string id;
    std::string hostname;
    std::string architecture; ///< "x86_64"
    std::string os = "linux";
};

/// service.slot.id, or service.node.id for tasks of a global service; the container's name.
std::string task_name(const pb::Task& task);

/// .Service.ID .Name .Labels, .Node.ID .Hostname .Platform.Architecture .OS, .Task.ID .Name .Slot
Json template_data(const pb::Task& task, const NodeFacts& node);

/// The container's settings with everything expanded: values of environment, host name, mounts'
/// source and target, volumes' labels and driver options. Fails: Invalid, naming the setting.
Result<pb::ContainerSpec> expand(const pb::ContainerSpec& spec, const Json& data);

/// What a payload's functions give; "" as an argument of `env` for a variable that is not set.
struct PayloadSources {
    std::function<Result<std::string>(const std::string& target)> secret;
    std::function<Result<std::string>(const std::string& target)> config;
    std::function<std::string(const std::string& name)> env;
};
struct Payload {
    std::string bytes;
    bool used_secret = false; ///< a config that did is as sensitive as the secret
};
Result<Payload> expand_payload(std::string_view text, const Json& data,
                               const PayloadSources& sources);

} // namespace shoal::node
