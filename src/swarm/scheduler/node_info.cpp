#include "swarm/scheduler/node_info.h"

#include <algorithm>

namespace shoal::swarm {

void NodeInfo::set_node(NodePtr node) {
    node_ = std::move(node);
    nano_cpus_ = memory_bytes_ = 0;
    generics_ = {};
    plugins_.clear();
    active_ = 0;
    active_of_.clear();
    host_ports_.clear();
    if (node_) {
        const auto& all = node_->description().resources();
        nano_cpus_ = all.nano_cpus();
        memory_bytes_ = all.memory_bytes();
        generics_ = read_generics(all.generic());
        for (const auto& plugin : node_->description().engine().plugins()) {
            plugins_[plugin.type()].insert(plugin.name());
        }
    }
    for (const auto& [id, task] : tasks_) { account(*task, 1); }
}

void NodeInfo::hold(const TaskPtr& task) {
    release(task->id());
    tasks_[task->id()] = task;
    account(*task, 1);
}

void NodeInfo::release(const std::string& task_id) {
    const auto found = tasks_.find(task_id);
    if (found == tasks_.end()) { return; }
    const TaskPtr task = found->second;
    tasks_.erase(found);
    if (task->assigned_generic_resources().empty()) {
        account(*task, -1);
    } else {
        set_node(node_); // which of them the node still has is for its description to say
    }
}

std::size_t NodeInfo::active_of(const std::string& service_id) const {
    const auto found = active_of_.find(service_id);
    return found == active_of_.end() ? 0 : found->second;
}

void NodeInfo::account(const pb::Task& task, int sign) {
    const auto& reserved = task.spec().resources().reservations();
    nano_cpus_ -= sign * reserved.nano_cpus();
    memory_bytes_ -= sign * reserved.memory_bytes();
    for (const auto& one : task.assigned_generic_resources()) {
        if (one.has_discrete_resource_spec()) {
            const auto& counted = one.discrete_resource_spec();
            generics_.counted[counted.kind()] -= sign * counted.value();
        } else {
            const auto& named = one.named_resource_spec();
            generics_.named[named.kind()].erase(named.value());
        }
    }
    for (const HostPort& port : host_ports_of(task)) {
        if ((host_ports_[port] += sign) == 0) { host_ports_.erase(port); }
    }
    if (!is_active(task)) { return; }
    active_ += static_cast<std::size_t>(sign);
    auto& of_service = active_of_[task.service_id()];
    of_service += static_cast<std::size_t>(sign);
    if (of_service == 0) { active_of_.erase(task.service_id()); }
}

bool NodeInfo::has_generics(const Generics& wanted) const {
    for (const auto& [kind, count] : wanted.counted) {
        const auto named = generics_.named.find(kind);
        const auto free_named =
            named == generics_.named.end() ? 0 : static_cast<std::int64_t>(named->second.size());
        const auto counted = generics_.counted.find(kind);
        const auto free_counted = counted == generics_.counted.end() ? 0 : counted->second;
        if (std::max(free_named, free_counted) < count) { return false; }
    }
    for (const auto& [kind, values] : wanted.named) {
        const auto named = generics_.named.find(kind);
        if (named == generics_.named.end()) { return false; }
        if (!std::includes(named->second.begin(), named->second.end(), values.begin(),
                           values.end())) {
            return false;
        }
    }
    return true;
}

std::vector<pb::GenericResource> NodeInfo::choose_generics(const Generics& wanted) const {
    std::vector<pb::GenericResource> chosen;
    const auto add_named = [&chosen](const std::string& kind, const std::string& value) {
        auto& one = *chosen.emplace_back().mutable_named_resource_spec();
        one.set_kind(kind);
        one.set_value(value);
    };
    for (const auto& [kind, values] : wanted.named) {
        for (const auto& value : values) { add_named(kind, value); }
    }
    for (const auto& [kind, count] : wanted.counted) {
        const auto named = generics_.named.find(kind);
        if (named != generics_.named.end() &&
            static_cast<std::int64_t>(named->second.size()) >= count) {
            auto value = named->second.begin();
            for (std::int64_t i = 0; i < count; ++i) { add_named(kind, *value++); }
            continue;
        }
        auto& one = *chosen.emplace_back().mutable_discrete_resource_spec();
        one.set_kind(kind);
        one.set_value(count);
    }
    return chosen;
}

bool NodeInfo::lists_plugin(const Plugin& plugin) const {
    const auto found = plugins_.find(plugin.type);
    if (found == plugins_.end()) { return false; }
    return found->second.contains(plugin.name) || found->second.contains(plugin.name + ":latest");
}

bool NodeInfo::lists_plugin_type(const std::string& type) const { return plugins_.contains(type); }

} // namespace shoal::swarm
