#include "swarm/orchestrator/jobs.h"

#include "swarm/orchestrator/global.h"
#include "swarm/orchestrator/restart.h"

namespace shoal::swarm {
namespace {

std::uint64_t iteration_of(const pb::Service& service) {
    return service.job_status().job_iteration().index();
}

/// The slot's tasks of the present iteration.
Slot current(const pb::Service& service, const Slot& slot) {
    Slot kept{slot.key, {}};
    for (const auto& task : slot.tasks) {
        if (task->job_iteration().index() == iteration_of(service)) { kept.tasks.push_back(task); }
    }
    return kept;
}

bool remove_earlier(Tx& tx, const pb::Service& service, const Slot& slot) {
    bool changed = false;
    for (const auto& task : slot.tasks) {
        if (task->job_iteration().index() == iteration_of(service)) { continue; }
        pb::Task removed = *task;
        if (!stop(removed, pb::REMOVE, tx.now())) { continue; }
        tx.put(std::move(removed));
        changed = true;
    }
    return changed;
}

bool is_complete(const Slot& slot) {
    return std::any_of(slot.tasks.begin(), slot.tasks.end(),
                       [](const TaskPtr& task) { return task->status().state() == pb::COMPLETE; });
}

enum class Progress { Nothing, Active, Done };
Progress progress_of(const Slot& slot) {
    if (is_complete(slot) || is_finished(slot)) { return Progress::Done; }
    return slot.is_wanted() ? Progress::Active : Progress::Nothing;
}

bool is_ready(const Store& store, const std::string& node_id) {
    const auto node = store.get<pb::Node>(node_id);
    return node && node->status().state() == pb::NodeStatus::READY;
}

/// Begins as many tasks as are missing and may run at once.
std::optional<Instant> begin_tasks(Tx& tx, const pb::Service& service, const Slots& slots) {
    const auto& job = service.spec().replicated_job();
    const auto at_once = job.max_concurrent() == 0 ? UINT64_MAX : job.max_concurrent();
    std::uint64_t active = 0;
    std::vector<Slot> free;
    for (std::uint64_t number = 0; number < job.total_completions(); ++number) {
        const SlotKey key{number, ""};
        const auto found = slots.find(key);
        auto slot = found == slots.end() ? Slot{key, {}} : current(service, found->second);
        const auto progress = progress_of(slot);
        if (progress == Progress::Active) { ++active; }
        if (progress == Progress::Nothing) { free.push_back(std::move(slot)); }
    }
    for (const auto& slot : free) {
        if (active++ >= at_once) { break; }
        if (!has_room(tx)) { return tx.now(); }
        put_new_task(tx, service, slot, {});
    }
    return std::nullopt;
}

std::optional<Instant> look_at_node(Tx& tx, const pb::Service& service, const Slot& slot) {
    const auto use = node_use(tx.store(), service, slot.key.node_id);
    if (use == NodeUse::Gone || use == NodeUse::None) {
        give_up_node(tx, slot, use);
        return std::nullopt;
    }
    const auto next = supervise_on_node(tx, service, slot);
    if (use == NodeUse::Full && progress_of(slot) == Progress::Nothing &&
        is_ready(tx.store(), slot.key.node_id)) {
        put_new_task(tx, service, slot, {});
    }
    return next;
}

} // namespace

void JobOrchestrator::note_node(const Store& store, const Change& change) {
    ServiceLoop::note_node(store, change);
    for (const auto& id : service_ids()) {
        const auto service = store.get<pb::Service>(id);
        if (service && is_global_job(*service)) { note_slot(id, SlotKey{0, change.id}); }
    }
}

std::optional<Instant> JobOrchestrator::look_at_service(Tx& tx, const pb::Service& service,
                                                        const Slots& slots) {
    if (service.pending_delete()) { return std::nullopt; }
    if (is_replicated_job(service)) { return begin_tasks(tx, service, slots); }
    for (const auto& [id, node] : tx.store().all<pb::Node>()) {
        const SlotKey key{0, id};
        if (!has_room(tx)) { return tx.now(); }
        if (!slots.contains(key)) { look_at_node(tx, service, Slot{key, {}}); }
    }
    return std::nullopt;
}

ServiceLoop::SlotLook JobOrchestrator::look_at_slot(Tx& tx, const pb::Service& service,
                                                    const Slot& slot) {
    remove_earlier(tx, service, slot);
    const auto kept = current(service, slot);
    if (is_global_job(service)) { return {look_at_node(tx, service, kept), false}; }
    const auto next = supervise(tx, service, kept);
    return {next, progress_of(kept) != Progress::Active};
}

} // namespace shoal::swarm
