#include "swarm/orchestrator/slots.h"

#include <tuple>

namespace shoal::swarm {
namespace {

auto age_of(const pb::Task& task) {
    const auto& created = task.meta().created_at();
    return std::tuple(task.generation(), created.seconds(), created.nanos(),
                      std::string_view(task.id()));
}

} // namespace

bool Slot::is_wanted() const {
    return std::any_of(tasks.begin(), tasks.end(),
                       [](const TaskPtr& task) { return swarm::is_wanted(*task); });
}

bool Slot::is_running() const {
    return std::any_of(tasks.begin(), tasks.end(),
                       [](const TaskPtr& task) { return swarm::is_wanted(*task) && is_up(*task); });
}

std::uint64_t Slot::next_generation() const {
    return tasks.empty() ? 0 : newest().generation() + 1;
}

void Slot::sort() {
    std::sort(tasks.begin(), tasks.end(),
              [](const TaskPtr& a, const TaskPtr& b) { return age_of(*a) < age_of(*b); });
}

Slots slots_of(const Store& store, const pb::Service& service) {
    Slots slots;
    for (const auto& [id, task] : store.tasks_of_service(service.id())) {
        const auto key = slot_of(service, *task);
        auto& slot = slots[key];
        slot.key = key;
        slot.tasks.push_back(task);
    }
    for (auto& [key, slot] : slots) { slot.sort(); }
    return slots;
}

void SlotIndex::add(const Store& store, const pb::Service& service) {
    auto& slots = services_[service.id()];
    slots.clear();
    for (const auto& [id, task] : store.tasks_of_service(service.id())) {
        slots[slot_of(service, *task)].insert(id);
    }
}

void SlotIndex::add(const pb::Service& service, const pb::Task& task) {
    services_[service.id()][slot_of(service, task)].insert(task.id());
}

void SlotIndex::remove(const pb::Service& service, const pb::Task& task) {
    const auto slots = services_.find(service.id());
    if (slots == services_.end()) { return; }
    const auto slot = slots->second.find(slot_of(service, task));
    if (slot == slots->second.end()) { return; }
    slot->second.erase(task.id());
    if (slot->second.empty()) { slots->second.erase(slot); }
}

Slot SlotIndex::slot(const Store& store, const std::string& service_id, const SlotKey& key) const {
    Slot slot{key, {}};
    const auto slots = services_.find(service_id);
    if (slots == services_.end()) { return slot; }
    const auto found = slots->second.find(key);
    if (found == slots->second.end()) { return slot; }
    for (const auto& id : found->second) {
        if (auto task = store.get<pb::Task>(id)) { slot.tasks.push_back(std::move(task)); }
    }
    slot.sort();
    return slot;
}

std::vector<SlotKey> SlotIndex::keys(const std::string& service_id) const {
    std::vector<SlotKey> keys;
    const auto slots = services_.find(service_id);
    if (slots == services_.end()) { return keys; }
    for (const auto& [key, ids] : slots->second) { keys.push_back(key); }
    return keys;
}

std::vector<std::string> SlotIndex::service_ids() const {
    std::vector<std::string> ids;
    for (const auto& [id, slots] : services_) { ids.push_back(id); }
    return ids;
}

} // namespace shoal::swarm
