#include "swarm/orchestrator/reaper.h"

#include "swarm/orchestrator/restart.h"
#include "swarm/orchestrator/update.h"

namespace shoal::swarm {
namespace {

constexpr std::int64_t retention_default = 5;

std::int64_t retention_of(const ClusterPtr& cluster) {
    if (!cluster || !cluster->spec().has_orchestration()) { return retention_default; }
    return cluster->spec().orchestration().task_history_retention_limit();
}

/// How many tasks a slot may have; negative: any number.
std::int64_t tasks_kept(const Store& store, const pb::Service& service) {
    const auto attempts = service.spec().task().restart().max_attempts();
    if (attempts > 0) { return static_cast<std::int64_t>(attempts) + 1; } // they are counted
    return retention_of(store.cluster());
}

bool has_stopped(const Store& store, const pb::Task& task) {
    return task.status().state() < pb::ASSIGNED || is_over(store, task);
}

bool is_removable(const Store& store, const pb::Task& task) {
    return task.desired_state() >= pb::REMOVE && has_stopped(store, task);
}

bool is_history(const Store& store, const pb::Service& service, const pb::Task& task) {
    return !is_wanted(task) && has_stopped(store, task) && !is_needed_by_update(service, task);
}

bool has_service(const Store& store, const pb::Task& task) {
    const auto service = store.get<pb::Service>(task.service_id());
    return service && !service->pending_delete();
}

/// A task that belongs to no service: a container of a node's own on one of the cluster's networks.
bool is_attachment_over(const Store& store, const pb::Task& task) {
    if (task.status().state() == pb::ORPHANED) { return true; }
    return task.spec().has_attachment() && is_over(store, task);
}

void look_at_stray(Tx& tx, const std::string& id) {
    const auto task = tx.store().get<pb::Task>(id);
    if (!task || has_service(tx.store(), *task)) { return; }
    if (task->service_id().empty()) {
        if (is_attachment_over(tx.store(), *task) || is_removable(tx.store(), *task)) {
            tx.erase<pb::Task>(id);
        }
        return;
    }
    pb::Task removed = *task;
    const bool changed = stop(removed, pb::REMOVE, tx.now());
    if (is_removable(tx.store(), removed)) {
        tx.erase<pb::Task>(id);
    } else if (changed) {
        tx.put(std::move(removed));
    }
}

} // namespace

void TaskReaper::rebuild(const Store& store) {
    history_.rebuild(store);
    strays_.clear();
    for (const auto& [id, task] : store.all<pb::Task>()) { note_if_stray(store, *task); }
}

void TaskReaper::observe(const Store& store, const Change& change) {
    history_.observe(store, change);
    if (change.kind == Kind::Cluster &&
        retention_of(change.old_as<pb::Cluster>()) != retention_of(change.new_as<pb::Cluster>())) {
        history_.rebuild(store);
    }
    if (const auto task = change.new_as<pb::Task>()) { note_if_stray(store, *task); }
    if (change.kind == Kind::Service) {
        for (const auto& [id, task] : store.tasks_of_service(change.id)) {
            note_if_stray(store, *task);
        }
    }
    if (change.kind == Kind::Node) {
        for (const auto& [id, task] : store.tasks_of_node(change.id)) {
            note_if_stray(store, *task);
        }
    }
}

void TaskReaper::note_if_stray(const Store& store, const pb::Task& task) {
    if (!has_service(store, task)) { strays_.insert(task.id()); }
}

std::optional<Instant> TaskReaper::run(Tx& tx) {
    for (const auto& id : std::exchange(strays_, {})) {
        if (has_room(tx)) {
            look_at_stray(tx, id);
        } else {
            strays_.insert(id);
        }
    }
    const auto next = history_.run(tx);
    return strays_.empty() ? next : tx.now();
}

ServiceLoop::SlotLook TaskReaper::History::look_at_slot(Tx& tx, const pb::Service& service,
                                                        const Slot& slot) {
    Slot kept{slot.key, {}};
    for (const auto& task : slot.tasks) {
        if (is_removable(tx.store(), *task)) {
            tx.erase<pb::Task>(task->id());
        } else {
            kept.tasks.push_back(task);
        }
    }
    const auto limit = tasks_kept(tx.store(), service);
    if (limit < 0) { return {}; }
    auto surplus = static_cast<std::int64_t>(kept.tasks.size()) - limit;
    for (const auto& task : kept.tasks) {
        if (surplus <= 0) { break; }
        if (!is_history(tx.store(), service, *task)) { continue; }
        if (task == kept.tasks.back() && is_finished(kept)) { break; } // the slot counts by it
        tx.erase<pb::Task>(task->id());
        --surplus;
    }
    return {};
}

} // namespace shoal::swarm
