// TaskNeeds: what a task asks of a node, read once from its specification; and the same for what
// it takes of the node that has it. All tasks of one service and one version of its specification
// have the same needs. It compares nothing: that is filters.h.
#pragma once

#include "swarm/model/constraints.h"
#include "swarm/model/object.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace shoal::swarm {

/// Generic resources of a task or a node, added up by kind.
struct Generics {
    std::map<std::string, std::set<std::string>> named;
    std::map<std::string, std::int64_t> counted;
    bool empty() const { return named.empty() && counted.empty(); }
};
Generics read_generics(const google::protobuf::RepeatedPtrField<pb::GenericResource>& list);

using HostPort = std::pair<pb::PortConfig::Protocol, std::uint32_t>;
/// Ports of the node itself that the task publishes.
std::vector<HostPort> host_ports_of(const pb::Task& task);

struct Plugin {
    std::string type; ///< "Volume", "Network", "Log"
    std::string name;
};

struct TaskNeeds {
    std::int64_t nano_cpus = 0;
    std::int64_t memory_bytes = 0;
    Generics generics;
    std::vector<Plugin> plugins;
    std::vector<Constraint> constraints;
    bool unreadable_constraints = false; ///< never hold
    std::vector<pb::Platform> platforms;
    std::vector<HostPort> host_ports;
    std::string service_id;
    std::uint64_t max_replicas = 0; ///< per node; 0: any number
    bool cluster_volumes = false;
    bool attachment = false; ///< of a container that the node has by itself, drained or not
    std::string extension;   ///< what a stock engine cannot do: "overlay networks"; "" for nothing
};
TaskNeeds read_needs(const pb::Task& task);

/// "x86_64" and "amd64" are the same.
std::string_view plain_architecture(std::string_view name);

} // namespace shoal::swarm
