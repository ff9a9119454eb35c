#include "engine/overlay_book.h"

#include <algorithm>

namespace shoal::engine {

using network::Family;
using network::Ip;
using network::NamedEndpoint;
using network::NodeIndex;

namespace {

template <class Map, class Key> auto found_in(const Map& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : found->second;
}

} // namespace

// --- one network ---

const OverlayTask* OverlayBook::Page::task_at(Ip address) const {
    return found_in(by_address_, address);
}
const OverlayTask* OverlayBook::Page::task(const std::string& id) const {
    return found_in(tasks_, id);
}
const OverlayService* OverlayBook::Page::service(const std::string& id) const {
    return found_in(services_, id);
}
const OverlayService* OverlayBook::Page::service_at(Ip virtual_address) const {
    return found_in(by_virtual_, virtual_address);
}

std::vector<const OverlayTask*> OverlayBook::Page::tasks_of(const std::string& service) const {
    std::vector<const OverlayTask*> all;
    const auto members = members_.find(service);
    if (members == members_.end()) { return all; }
    for (const auto& [id, task] : members->second) { all.push_back(task); }
    return all;
}

void OverlayBook::Page::touch_service(const std::string& id) {
    if (id.empty()) { return; }
    touched.services.insert(id);
    const auto* service = this->service(id);
    if (service == nullptr) { return; }
    for (const auto& ip : service->virtual_addresses) { touched.virtual_addresses.insert(ip); }
}

void OverlayBook::Page::touch_address(Ip address) {
    touched.addresses.insert(address);
    if (const auto* task = task_at(address)) { touch_service(task->service); }
}

void OverlayBook::Page::touch_all() {
    touched.network = true;
    for (const auto& [ip, task] : by_address_) { touched.addresses.insert(ip); }
    for (const auto& [id, task] : tasks_) { touched.tasks.insert(id); }
    for (const auto& [id, service] : services_) { touch_service(id); }
    for (const auto& [node, count] : uses_) { touched.nodes.insert(node); }
}

void OverlayBook::Page::put(const OverlayTask& task) {
    tasks_[task.task] = &task;
    for (const auto& ip : task.addresses) {
        by_address_[ip] = &task;
        touched.addresses.insert(ip);
    }
    if (++uses_[task.node] == 1) { touched.nodes.insert(task.node); }
    if (!task.service.empty()) { members_[task.service][task.task] = &task; }
    touched.tasks.insert(task.task);
    touch_service(task.service);
}

void OverlayBook::Page::take(const OverlayTask& task) {
    tasks_.erase(task.task);
    for (const auto& ip : task.addresses) {
        if (found_in(by_address_, ip) == &task) { by_address_.erase(ip); }
        touched.addresses.insert(ip);
    }
    if (--uses_[task.node] == 0) {
        uses_.erase(task.node);
        touched.nodes.insert(task.node);
    }
    if (const auto members = members_.find(task.service); members != members_.end()) {
        members->second.erase(task.task);
        if (members->second.empty()) { members_.erase(members); }
    }
    touched.tasks.insert(task.task);
    touch_service(task.service);
}

void OverlayBook::Page::put(const OverlayService& service) {
    services_[service.id] = &service;
    for (const auto& ip : service.virtual_addresses) { by_virtual_[ip] = &service; }
    touch_service(service.id);
}

void OverlayBook::Page::take(const OverlayService& service) {
    touch_service(service.id);
    services_.erase(service.id);
    for (const auto& ip : service.virtual_addresses) {
        if (found_in(by_virtual_, ip) == &service) { by_virtual_.erase(ip); }
    }
}

// --- all of them ---

std::set<Ip> OverlayBook::addresses_of_others(NodeIndex self) const {
    std::set<Ip> addresses;
    for (const auto& [index, node] : nodes_) {
        if (index != self && node->address) { addresses.insert(node->address); }
    }
    return addresses;
}

OverlayBook::Page* OverlayBook::page(const NetworkId& network) {
    const auto found = pages_.find(network);
    return found == pages_.end() ? nullptr : &found->second;
}
const OverlayBook::Page* OverlayBook::page(const NetworkId& network) const {
    const auto found = pages_.find(network);
    return found == pages_.end() ? nullptr : &found->second;
}

void OverlayBook::touch_node(NodeIndex node) {
    for (auto& [id, page] : pages_) {
        // The mesh is between all nodes, whether they have tasks or not.
        const bool ingress = page.network_ != nullptr && page.network_->ingress;
        if (ingress || page.uses(node)) { page.touched.nodes.insert(node); }
    }
}

void OverlayBook::put(const OverlayNode& node) {
    nodes_[node.index] = &node;
    touch_node(node.index);
}
void OverlayBook::take(const OverlayNode& node) {
    if (found_in(nodes_, node.index) == &node) { nodes_.erase(node.index); }
    touch_node(node.index);
}

void OverlayBook::put(const OverlayItem& item) {
    if (const auto* node = std::get_if<OverlayNode>(&item)) {
        put(*node);
    } else if (const auto* network = std::get_if<OverlayNetwork>(&item)) {
        auto& page = pages_[network->id];
        page.network_ = network;
        page.touched.network = true;
    } else if (const auto* task = std::get_if<OverlayTask>(&item)) {
        pages_[task->network].put(*task);
    } else if (const auto* service = std::get_if<OverlayService>(&item)) {
        pages_[service->network].put(*service);
    } else if (const auto* keys = std::get_if<OverlayKeys>(&item)) {
        keys_ = keys->keys;
    }
}

void OverlayBook::take(const OverlayItem& item) {
    if (const auto* node = std::get_if<OverlayNode>(&item)) {
        take(*node);
    } else if (const auto* network = std::get_if<OverlayNetwork>(&item)) {
        auto& page = pages_[network->id];
        page.network_ = nullptr;
        page.touched.network = true;
    } else if (const auto* task = std::get_if<OverlayTask>(&item)) {
        pages_[task->network].take(*task);
    } else if (const auto* service = std::get_if<OverlayService>(&item)) {
        pages_[service->network].take(*service);
    } else if (std::holds_alternative<OverlayKeys>(item)) {
        keys_.clear();
    }
}

void OverlayBook::change(OverlayChange change) {
    if (const auto known = items_.find(change.key); known != items_.end()) {
        take(known->second);
        items_.erase(known);
    }
    if (!change.item) { return; }
    const auto kept = items_.emplace(std::move(change.key), std::move(*change.item)).first;
    put(kept->second);
}

void OverlayBook::keep_only(const std::set<std::string>& keys) {
    for (auto item = items_.begin(); item != items_.end();) {
        if (keys.contains(item->first)) {
            ++item;
            continue;
        }
        take(item->second);
        item = items_.erase(item);
    }
}

void OverlayBook::clear() { keep_only({}); }

NetworkId OverlayBook::ingress() const {
    for (const auto& [id, page] : pages_) {
        if (page.network_ != nullptr && page.network_->ingress) { return id; }
    }
    return {};
}

std::vector<NetworkId> OverlayBook::touched() const {
    std::vector<NetworkId> all;
    for (const auto& [id, page] : pages_) {
        if (page.touched.any()) { all.push_back(id); }
    }
    return all;
}

std::vector<NetworkId> OverlayBook::drop_empty() {
    std::vector<NetworkId> gone;
    for (auto page = pages_.begin(); page != pages_.end();) {
        if (!page->second.empty() || page->second.touched.any()) {
            ++page;
            continue;
        }
        gone.push_back(page->first);
        page = pages_.erase(page);
    }
    return gone;
}

// --- what follows ---

std::vector<Ip> backends_of(const OverlayBook::Page& page, const OverlayService& service,
                            Family family, NodeIndex self, const IsHere& is_here) {
    std::vector<Ip> all, own;
    for (const auto* task : page.tasks_of(service.id)) {
        if (!task->serving) { continue; }
        for (const auto& ip : task->addresses) {
            const bool mine = task->node == self;
            if (ip.family() != family || (mine && !is_here(ip))) { continue; }
            all.push_back(ip);
            if (mine) { own.push_back(ip); }
        }
    }
    const bool prefer = service.balance == OverlayService::Balance::Local && !own.empty();
    auto& chosen = prefer ? own : all;
    std::sort(chosen.begin(), chosen.end());
    return chosen;
}

std::string service_name_key(const std::string& id) { return "service/" + id; }
std::string tasks_name_key(const std::string& id) { return "tasks/" + id; }
std::string task_name_key(const std::string& id) { return "task/" + id; }

std::vector<NamedEndpoint> names_of(const OverlayBook::Page& page, const OverlayService& service) {
    std::vector<Ip> serving;
    for (const auto* task : page.tasks_of(service.id)) {
        if (!task->serving) { continue; }
        serving.insert(serving.end(), task->addresses.begin(), task->addresses.end());
    }
    NamedEndpoint itself, tasks;
    itself.endpoint = service_name_key(service.id);
    itself.names = service.names;
    const bool rotated = service.virtual_addresses.empty();
    itself.addresses = rotated ? serving : service.virtual_addresses;
    if (!rotated && !service.names.empty()) { itself.primary = service.names.front(); }
    tasks.endpoint = tasks_name_key(service.id);
    for (const auto& name : service.names) { tasks.names.push_back("tasks." + name); }
    tasks.addresses = std::move(serving);
    return {std::move(itself), std::move(tasks)};
}

NamedEndpoint names_of(const OverlayTask& task) {
    NamedEndpoint named;
    named.endpoint = task_name_key(task.task);
    named.names = task.names;
    named.addresses = task.addresses;
    if (!task.names.empty()) { named.primary = task.names.front(); }
    return named;
}

} // namespace shoal::engine
