// NodeInfo: one node with what is left of it: resources, ports, how many tasks it has. It is always
// derived from the node's object and the tasks on it, and can be made again from them.
#pragma once

#include "swarm/scheduler/needs.h"

namespace shoal::swarm {

class NodeInfo {
  public:
    explicit NodeInfo(std::string id) : id_(std::move(id)) {}

    const std::string& id() const { return id_; }
    const NodePtr& node() const { return node_; } ///< null: tasks name it, but it is not there
    void set_node(NodePtr node);
    bool forgotten() const { return !node_ && tasks_.empty(); }

    /// The task, in its present form, is on this node and takes its share of it.
    void hold(const TaskPtr& task);
    /// Harmless when it is not here.
    void release(const std::string& task_id);
    bool holds(const std::string& task_id) const { return tasks_.contains(task_id); }

    /// Tasks that are meant to go on; of all services, of one.
    std::size_t active() const { return active_; }
    std::size_t active_of(const std::string& service_id) const;

    std::int64_t free_nano_cpus() const { return nano_cpus_; }
    std::int64_t free_memory_bytes() const { return memory_bytes_; }
    bool has_generics(const Generics& wanted) const;
    /// Which ones a task would get that wants these. Requires has_generics(wanted).
    std::vector<pb::GenericResource> choose_generics(const Generics& wanted) const;
    bool has_host_port(const HostPort& port) const { return host_ports_.contains(port); }

    /// Plugins of a type that the node lists.
    bool lists_plugin(const Plugin& plugin) const;
    bool lists_plugin_type(const std::string& type) const;

  private:
    void account(const pb::Task& task, int sign);

    std::string id_;
    NodePtr node_;
    std::map<std::string, TaskPtr> tasks_;
    std::size_t active_ = 0;
    std::map<std::string, std::size_t> active_of_;
    std::int64_t nano_cpus_ = 0;
    std::int64_t memory_bytes_ = 0;
    Generics generics_; ///< free ones
    std::map<HostPort, int> host_ports_;
    std::map<std::string, std::set<std::string>> plugins_; ///< names by type
};

/// Desired to go on.
inline bool is_active(const pb::Task& task) { return task.desired_state() <= pb::COMPLETE; }
/// It has a node, and has not ended there.
inline bool occupies_node(const pb::Task& task) {
    return !task.node_id().empty() && task.status().state() >= pb::ASSIGNED &&
           !is_terminal(task.status().state());
}

} // namespace shoal::swarm
