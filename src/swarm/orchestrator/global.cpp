#include "swarm/orchestrator/global.h"

#include "swarm/model/constraints.h"
#include "swarm/orchestrator/restart.h"
#include "swarm/orchestrator/update.h"

namespace shoal::swarm {

NodeUse node_use(const Store& store, const pb::Service& service, const std::string& node_id) {
    const auto node = store.get<pb::Node>(node_id);
    if (!node) { return NodeUse::Gone; }
    if (node->status().state() == pb::NodeStatus::DOWN || service.pending_delete() ||
        node->spec().availability() == pb::NodeSpec::DRAIN ||
        !match_placement(service.spec().task().placement(), *node)) {
        return NodeUse::None;
    }
    return node->spec().availability() == pb::NodeSpec::PAUSE ? NodeUse::Keep : NodeUse::Full;
}

void give_up_node(Tx& tx, const Slot& slot, NodeUse use) {
    for (const auto& task : slot.tasks) {
        if (use == NodeUse::Gone) {
            tx.erase<pb::Task>(task->id());
            continue;
        }
        if (has_reached_goal(*task)) { continue; }
        pb::Task stopped = *task;
        if (is_wanted(*task) && stop(stopped, pb::SHUTDOWN, tx.now())) {
            tx.put(std::move(stopped));
        }
    }
}

void GlobalOrchestrator::note_node(const Store&, const Change& change) {
    for (const auto& id : service_ids()) { note_slot(id, SlotKey{0, change.id}); }
}

std::optional<Instant> GlobalOrchestrator::look_at_service(Tx& tx, const pb::Service& service,
                                                           const Slots& slots) {
    for (const auto& [id, node] : tx.store().all<pb::Node>()) {
        const SlotKey key{0, id};
        if (!has_room(tx)) { return tx.now(); }
        if (!slots.contains(key)) { look_at_slot(tx, service, Slot{key, {}}); }
    }
    std::vector<const Slot*> held;
    for (const auto& [key, slot] : slots) {
        if (node_use(tx.store(), service, key.node_id) == NodeUse::Full &&
            (slot.is_wanted() || is_finished(slot))) {
            held.push_back(&slot);
        }
    }
    return continue_update(tx, service, held);
}

void GlobalOrchestrator::judge(Tx& tx, const pb::Service& service, const Slots& slots) {
    judge_update(tx, service, slots);
}

ServiceLoop::SlotLook GlobalOrchestrator::look_at_slot(Tx& tx, const pb::Service& service,
                                                       const Slot& slot) {
    const auto use = node_use(tx.store(), service, slot.key.node_id);
    if (use == NodeUse::Gone || use == NodeUse::None) {
        give_up_node(tx, slot, use);
        return {};
    }
    if (stop_surplus(tx, service, slot)) { return {}; } // its changes are looked at again
    const auto next = supervise_on_node(tx, service, slot);
    if (use == NodeUse::Keep) { return {next, false}; }
    if (!slot.is_wanted() && !is_finished(slot)) {
        NewTask made;
        made.desired = pb::READY; // what the node still has of it stops first
        put_new_task(tx, service, slot, made);
        return {next, false};
    }
    SpecComparison comparison(tx.store(), service);
    const bool outdated = is_outdated(service, slot, comparison);
    if (outdated && is_updated(service)) {
        update_slot(tx, service, slot); // the node was away while the others were updated
        return {next, false};
    }
    return {next, outdated};
}

} // namespace shoal::swarm
