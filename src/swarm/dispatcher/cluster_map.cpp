#include "swarm/dispatcher/cluster_map.h"

#include "swarm/model/overlay.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

constexpr std::size_t gone_max = 1000;        ///< of a scope, that are still told of
constexpr std::size_t empty_scopes_max = 100; ///< that are kept

/// Networks on which a task has an address and a node that needs them.
std::set<std::string> networks_in_use(const TaskPtr& task) {
    std::set<std::string> all;
    if (!task || !is_placed(*task)) { return all; }
    for (const auto& attachment : task->networks()) {
        if (is_endpoint(attachment)) { all.insert(attachment.network().id()); }
    }
    return all;
}

const pb::NetworkAttachment* attachment_of(const pb::Task& task, const std::string& network_id) {
    for (const auto& attachment : task.networks()) {
        if (attachment.network().id() == network_id) { return &attachment; }
    }
    return nullptr;
}

} // namespace

void ClusterMap::rebuild(const Store& store) {
    *this = ClusterMap();
    for (const auto& [id, network] : store.all<pb::Network>()) { set_network(id, network); }
    for (const auto& [id, node] : store.all<pb::Node>()) {
        set(nodes_scope, node_key(id), make_node_item(*node));
    }
    for (const auto& [id, service] : store.all<pb::Service>()) {
        observe_service(store, id, service);
    }
    for (const auto& [id, task] : store.all<pb::Task>()) { observe_task(store, nullptr, task); }
    if (const auto cluster = store.cluster()) {
        set(keys_scope, keys_key, make_keys_item(*cluster));
    }
}

void ClusterMap::observe(const Store& store, const Change& change) {
    switch (change.kind) {
    case Kind::Task:
        return observe_task(store, change.old_as<pb::Task>(), change.new_as<pb::Task>());
    case Kind::Node:
        return observe_node(store, change.old_as<pb::Node>(), change.new_as<pb::Node>());
    case Kind::Network:
        return observe_network(store, change.id, change.new_as<pb::Network>());
    case Kind::Service:
        return observe_service(store, change.id, change.new_as<pb::Service>());
    case Kind::Cluster:
        if (const auto cluster = change.new_as<pb::Cluster>()) {
            set(keys_scope, keys_key, make_keys_item(*cluster));
        }
        return;
    case Kind::Secret:
    case Kind::Config:
        return;
    }
}

const ClusterMap::Scope* ClusterMap::scope(std::string_view id) const {
    const auto found = scopes_.find(id);
    return found == scopes_.end() ? nullptr : &found->second;
}

std::set<std::string> ClusterMap::scopes_of(std::string_view node_id) const {
    std::set<std::string> all(ingress_.begin(), ingress_.end());
    if (const auto own = networks_of_node_.find(node_id); own != networks_of_node_.end()) {
        all.insert(own->second.begin(), own->second.end());
    }
    bool anybody = false;
    bool encrypted = false;
    for (const auto& id : all) {
        const auto* const held = scope(id);
        anybody = anybody || (held && held->endpoints > 0);
        encrypted = encrypted || (held && held->encrypted);
    }
    if (anybody) { all.insert(nodes_scope); }
    if (anybody && encrypted) { all.insert(keys_scope); }
    return all;
}

const ClusterMap::Entry* ClusterMap::endpoint(std::string_view network_id,
                                              std::string_view task_id) const {
    const auto* const held = scope(network_id);
    if (!held) { return nullptr; }
    const auto found = held->entries.find(endpoint_key(network_id, task_id));
    return found == held->entries.end() ? nullptr : &found->second;
}

bool ClusterMap::is_ingress(std::string_view network_id) const {
    return ingress_.contains(network_id);
}

// Objects.

void ClusterMap::observe_task(const Store& store, const TaskPtr& before, const TaskPtr& after) {
    const bool concerns =
        (before && !before->networks().empty()) || (after && !after->networks().empty());
    if (!concerns) { return; }
    const auto& id = after ? after->id() : before->id();
    auto networks = place(id, after);
    networks.merge(networks_in_use(after));
    for (const auto& network_id : networks) { set_endpoint(store, network_id, id, after.get()); }
}

/// Gives the networks on which it was. What was is remembered here: the leader may hear of one
/// change twice, from its own hand and from the log.
std::set<std::string> ClusterMap::place(const std::string& task_id, const TaskPtr& task) {
    Placed is;
    is.networks = networks_in_use(task);
    if (!is.networks.empty()) { is.node_id = task->node_id(); }
    const auto found = placed_.find(task_id);
    const Placed was = found == placed_.end() ? Placed() : found->second;
    if (was.node_id == is.node_id && was.networks == is.networks) { return was.networks; }
    for (const auto& id : is.networks) { add_user(id, is.node_id); }
    for (const auto& id : was.networks) { remove_user(id, was.node_id); }
    if (is.networks.empty()) {
        placed_.erase(task_id);
    } else {
        placed_[task_id] = std::move(is);
    }
    return was.networks;
}

void ClusterMap::set_endpoint(const Store& store, const std::string& network_id,
                              const std::string& task_id, const pb::Task* task) {
    const auto* const attachment = task ? attachment_of(*task, network_id) : nullptr;
    auto item = attachment ? make_endpoint_item(store, *task, *attachment) : std::nullopt;
    const auto* const held = endpoint(network_id, task_id);
    const bool there = item.has_value();
    const auto service_id = there ? task->service_id()
                            : held && held->is_there()
                                ? held->change->item().endpoint().service_id()
                                : std::string();
    if (set(network_id, endpoint_key(network_id, task_id), std::move(item))) {
        count_endpoint(store, network_id, service_id, there ? 1 : -1);
    }
}

void ClusterMap::count_endpoint(const Store& store, const std::string& network_id,
                                const std::string& service_id, int change) {
    Scope& scope = scope_to_change(network_id);
    scope.endpoints += static_cast<std::size_t>(change);
    if (service_id.empty()) { return; }
    auto& count = scope.endpoints_of_service[service_id];
    count += static_cast<std::size_t>(change);
    const bool first = count == 1 && change > 0;
    const bool none = count == 0;
    auto& networks = networks_with_tasks_[service_id];
    if (first) { networks.insert(network_id); }
    if (none) {
        scope.endpoints_of_service.erase(service_id);
        networks.erase(network_id);
        if (networks.empty()) { networks_with_tasks_.erase(service_id); }
    }
    if (first || none) { set_service(store, network_id, service_id); }
}

/// As long as it asks for the network, or has tasks there: an update may lead away from it.
void ClusterMap::set_service(const Store& store, const std::string& network_id,
                             const std::string& service_id) {
    const auto service = store.get<pb::Service>(service_id);
    const auto asked = networks_of_service_.find(service_id);
    const bool asks = asked != networks_of_service_.end() && asked->second.contains(network_id);
    const auto* const held = scope(network_id);
    const bool is_there = asks || (held && held->endpoints_of_service.contains(service_id));
    set(network_id, service_key(network_id, service_id),
        service && is_there ? make_service_item(store, *service, network_id) : std::nullopt);
}

void ClusterMap::observe_service(const Store& store, const std::string& id,
                                 const ServicePtr& service) {
    const auto asks = service ? overlays_of(store, *service) : std::set<std::string>();
    auto networks = asks;
    auto& asked = networks_of_service_[id];
    networks.merge(asked);
    asked = asks;
    if (asks.empty()) { networks_of_service_.erase(id); }
    const auto with_tasks = networks_with_tasks_.find(id);
    if (with_tasks != networks_with_tasks_.end()) {
        networks.insert(with_tasks->second.begin(), with_tasks->second.end());
    }
    for (const auto& network_id : networks) { set_service(store, network_id, id); }
}

void ClusterMap::observe_node(const Store& store, const NodePtr& before, const NodePtr& after) {
    const auto item_of = [](const NodePtr& node) {
        return node ? make_node_item(*node) : std::nullopt;
    };
    const auto was = item_of(before);
    auto is = item_of(after);
    const auto is_down = [](const NodePtr& node) {
        return node && node->status().state() == pb::NodeStatus::DOWN;
    };
    const bool same = was.has_value() == is.has_value() && is_down(before) == is_down(after) &&
                      (!is || was->node().index() == is->node().index());
    const auto& id = after ? after->id() : before->id();
    set(nodes_scope, node_key(id), std::move(is));
    if (same) { return; }
    for (const auto& [task_id, task] : store.tasks_of_node(id)) {
        for (const auto& network_id : networks_in_use(task)) {
            set_endpoint(store, network_id, task_id, task.get());
        }
    }
}

/// True: it has come or gone.
bool ClusterMap::set_network(const std::string& id, const NetworkPtr& network) {
    auto item = network ? make_network_item(*network) : std::nullopt;
    if (!item && !scope(id)) { return false; }
    Scope& scope = scope_to_change(id);
    scope.encrypted = item && item->network().encrypted();
    const bool ingress = item && item->network().ingress();
    if (ingress != is_ingress(id)) { news_.scopes.insert(nodes_scope); } // it concerns all nodes
    if (ingress) {
        ingress_.insert(id);
    } else {
        ingress_.erase(id);
    }
    return set(id, network_key(id), std::move(item));
}

void ClusterMap::observe_network(const Store& store, const std::string& id,
                                 const NetworkPtr& network) {
    if (!set_network(id, network)) { return; }
    // A service may name it, without having been changed itself.
    for (const auto& [service_id, service] : store.all<pb::Service>()) {
        if (!networks_of(service->spec().task(), &service->spec()).empty()) {
            observe_service(store, service_id, service);
        }
    }
}

// Scopes.

ClusterMap::Scope& ClusterMap::scope_to_change(const std::string& id) {
    const auto found = scopes_.find(id);
    if (found != scopes_.end()) { return found->second; }
    forget_empty_scopes();
    Scope& made = scopes_[id];
    made.forgotten = sequence_; // it may have been there before
    return made;
}

bool ClusterMap::set(const std::string& scope_id, const std::string& key, MaybeItem item) {
    const auto* const held = scope(scope_id);
    const bool was = held && held->entries.contains(key) && held->entries.at(key).is_there();
    if (!item && !was) { return false; }
    const auto hash = item ? hash_of(key, *item) : 0;
    Scope& scope = scope_to_change(scope_id);
    Entry& entry = scope.entries[key];
    if (item && was && entry.hash == hash) { return false; }
    if (entry.sequence != 0) { scope.in_order.erase(entry.sequence); }
    scope.digest += hash - (was ? entry.hash : 0);
    scope.count += item ? 1 : 0;
    scope.count -= was ? 1 : 0;
    auto change = std::make_shared<mpb::MapChange>();
    change->set_key(key);
    const bool there = item.has_value();
    if (item) { *change->mutable_item() = std::move(*item); }
    entry = {++sequence_, hash, std::move(change)};
    scope.in_order[entry.sequence] = &entry;
    news_.scopes.insert(scope_id);
    forget_gone(scope);
    return there != was;
}

void ClusterMap::add_user(const std::string& network_id, const std::string& node_id) {
    auto& user = scope_to_change(network_id).users[node_id];
    if (user.tasks++ > 0) { return; }
    user.since = ++sequence_;
    networks_of_node_[node_id].insert(network_id);
    news_.nodes.insert(node_id);
}

void ClusterMap::remove_user(const std::string& network_id, const std::string& node_id) {
    auto& users = scope_to_change(network_id).users;
    const auto found = users.find(node_id);
    if (found == users.end() || --found->second.tasks > 0) { return; }
    users.erase(found);
    auto& networks = networks_of_node_[node_id];
    networks.erase(network_id);
    if (networks.empty()) { networks_of_node_.erase(node_id); }
    news_.nodes.insert(node_id);
}

/// Whoever has not heard of them is told everything anew.
void ClusterMap::forget_gone(Scope& scope) {
    const auto gone = scope.entries.size() - scope.count;
    if (gone < gone_max || gone < scope.count) { return; }
    for (auto entry = scope.entries.begin(); entry != scope.entries.end();) {
        if (entry->second.is_there()) {
            ++entry;
            continue;
        }
        scope.forgotten = std::max(scope.forgotten, entry->second.sequence);
        scope.in_order.erase(entry->second.sequence);
        entry = scope.entries.erase(entry);
    }
}

void ClusterMap::forget_empty_scopes() {
    const auto is_empty = [](const auto& scope) {
        return scope.second.count == 0 && scope.second.users.empty();
    };
    const auto empty = std::count_if(scopes_.begin(), scopes_.end(), is_empty);
    if (static_cast<std::size_t>(empty) <= empty_scopes_max) { return; }
    std::erase_if(scopes_, is_empty);
}

} // namespace shoal::swarm
