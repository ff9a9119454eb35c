#include "swarm/orchestrator/service_loop.h"

namespace shoal::swarm {
namespace {
constexpr int rounds_max = 16; ///< of one run; what is left then is looked at in the next
}

ServicePtr ServiceLoop::service(const Store& store, std::string_view id) const {
    auto found = store.get<pb::Service>(id);
    return found && concerns(*found) ? found : nullptr;
}

void ServiceLoop::rebuild(const Store& store) {
    index_.clear();
    services_.clear();
    unfinished_.clear();
    slots_.clear();
    service_agenda_.clear();
    slot_agenda_.clear();
    for (const auto& [id, service] : store.all<pb::Service>()) {
        if (!concerns(*service)) { continue; }
        index_.add(store, *service);
        services_.insert(id);
    }
}

void ServiceLoop::observe(const Store& store, const Change& change) {
    switch (change.kind) {
    case Kind::Service:
        return note_service(store, change);
    case Kind::Task:
        return note_task(store, change);
    case Kind::Node:
        return note_node(store, change);
    default:
        return;
    }
}

void ServiceLoop::note_service(const Store& store, const Change& change) {
    const auto now = service(store, change.id);
    if (!now) { return forget(change.id); }
    if (!index_.has(change.id)) { index_.add(store, *now); }
    services_.insert(change.id);
}

void ServiceLoop::note_task(const Store& store, const Change& change) {
    const auto before = change.old_as<pb::Task>();
    const auto after = change.new_as<pb::Task>();
    const auto owner = service(store, after ? after->service_id() : before->service_id());
    if (!owner) { return; }
    const bool stays = before && after && slot_of(*owner, *before) == slot_of(*owner, *after);
    if (before && !stays) { index_.remove(*owner, *before); }
    if (after && !stays) { index_.add(*owner, *after); }
    if (is_updating(*owner)) {
        services_.insert(owner->id());
    } else {
        note_slot(owner->id(), slot_of(*owner, after ? *after : *before));
    }
}

void ServiceLoop::note_node(const Store& store, const Change& change) {
    const auto before = change.old_as<pb::Node>();
    const auto after = change.new_as<pb::Node>();
    if (before && after && before->status().state() == after->status().state() &&
        before->spec().availability() == after->spec().availability()) {
        return;
    }
    for (const auto& [id, task] : store.tasks_of_node(change.id)) {
        const auto owner = service(store, task->service_id());
        if (owner) { note_slot(owner->id(), slot_of(*owner, *task)); }
    }
}

void ServiceLoop::forget(const std::string& service_id) {
    services_.erase(service_id);
    unfinished_.erase(service_id);
    service_agenda_.erase(service_id);
    for (const auto& key : index_.keys(service_id)) { slot_agenda_.erase({service_id, key}); }
    index_.remove(service_id);
}

void ServiceLoop::take_due(Instant now) {
    if (now < last_run_) { return take_due_as_of(Instant::max()); } // dates mean nothing any more
    take_due_as_of(now);
}

void ServiceLoop::take_due_as_of(Instant now) {
    for (auto& id : service_agenda_.take_due(now)) { services_.insert(std::move(id)); }
    for (auto& name : slot_agenda_.take_due(now)) { slots_.insert(std::move(name)); }
}

std::optional<Instant> ServiceLoop::run(Tx& tx) {
    take_due(tx.now());
    last_run_ = tx.now();
    const auto is_done = [&] { return services_.empty() && unfinished_.empty() && slots_.empty(); };
    for (int round = 0; round < rounds_max && !is_done(); ++round) {
        const auto mark = tx.changes().size();
        go_on_with_services(tx);
        look_at_noted_services(tx);
        look_at_noted_slots(tx);
        for (auto at = mark; at < tx.changes().size(); ++at) {
            const Change change = tx.changes()[at];
            observe(tx.store(), change);
        }
        if (!has_room(tx)) { break; }
    }
    if (!is_done()) { return tx.now(); }
    return earlier(service_agenda_.next(), slot_agenda_.next());
}

void ServiceLoop::look_at_noted_services(Tx& tx) {
    for (const auto& id : std::exchange(services_, {})) {
        if (has_room(tx)) {
            look_at_one_service(tx, id);
        } else {
            services_.insert(id);
        }
    }
}

void ServiceLoop::look_at_noted_slots(Tx& tx) {
    for (const auto& name : std::exchange(slots_, {})) {
        if (has_room(tx)) {
            look_at_one_slot(tx, name);
        } else {
            slots_.insert(name);
        }
    }
}

void ServiceLoop::look_at_one_service(Tx& tx, const std::string& id) {
    service_agenda_.erase(id);
    auto found = service(tx.store(), id);
    if (!found) { return; }
    looked_at_ += tx.store().tasks_of_service(id).size();
    auto slots = slots_of(tx.store(), *found);
    const auto mark = tx.changes().size();
    judge(tx, *found, slots);
    if (tx.changes().size() != mark) {
        found = service(tx.store(), id);
        slots = slots_of(tx.store(), *found);
    }
    const auto judged = tx.changes().size();
    if (!look_at_each_slot(tx, *found, slots)) {
        services_.insert(id);
        return;
    }
    if (tx.changes().size() != judged) { slots = slots_of(tx.store(), *found); }
    look_at_whole(tx, *found, slots);
}

void ServiceLoop::look_at_whole(Tx& tx, const pb::Service& service, const Slots& slots) {
    const auto next = look_at_service(tx, service, slots);
    if (!has_room(tx)) {
        unfinished_.insert(service.id());
    } else if (next) {
        service_agenda_.set(service.id(), *next);
    }
}

/// A service of very many tasks is made in many transactions.
void ServiceLoop::go_on_with_services(Tx& tx) {
    for (const auto& id : std::exchange(unfinished_, {})) {
        const auto found = service(tx.store(), id);
        if (!found || services_.contains(id)) { continue; } // all of it is looked at anyhow
        if (has_room(tx)) {
            look_at_whole(tx, *found, slots_of(tx.store(), *found));
        } else {
            unfinished_.insert(id);
        }
    }
}

bool ServiceLoop::look_at_each_slot(Tx& tx, const pb::Service& service, const Slots& slots) {
    for (const auto& [key, slot] : slots) {
        if (!has_room(tx)) { return false; }
        const SlotName name{service.id(), key};
        slots_.erase(name);
        slot_agenda_.erase(name);
        const auto look = look_at_slot(tx, service, slot);
        if (look.next) { slot_agenda_.set(name, *look.next); }
    }
    return true;
}

void ServiceLoop::look_at_one_slot(Tx& tx, const SlotName& name) {
    slot_agenda_.erase(name);
    const auto found = service(tx.store(), name.first);
    if (!found) { return; }
    const auto slot = index_.slot(tx.store(), name.first, name.second);
    looked_at_ += slot.tasks.size();
    const auto look = look_at_slot(tx, *found, slot);
    if (look.next) { slot_agenda_.set(name, *look.next); }
    if (look.whole) { services_.insert(name.first); }
}

} // namespace shoal::swarm
