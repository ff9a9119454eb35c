#include "swarm/orchestrator/replicated.h"

#include "swarm/orchestrator/restart.h"
#include "swarm/orchestrator/update.h"

namespace shoal::swarm {
namespace {

/// It counts as one of the service's replicas.
bool is_held(const pb::Service& service, const Slot& slot) {
    if (slot.is_wanted()) { return true; }
    return service.update_status().state() != pb::UpdateStatus::ROLLBACK_STARTED &&
           is_finished(slot);
}

void remove_slot(Tx& tx, const Slot& slot) {
    for (const auto& task : slot.tasks) {
        pb::Task removed = *task;
        if (stop(removed, pb::REMOVE, tx.now())) { tx.put(std::move(removed)); }
    }
}

/// The one node all of its wanted tasks are on; "" when there is none such.
const std::string& only_node_of(const Slot& slot) {
    static const std::string none;
    const std::string* node = &none;
    for (const auto& task : slot.tasks) {
        if (!is_wanted(*task)) { continue; }
        if (!node->empty() && *node != task->node_id()) { return none; }
        node = &task->node_id();
    }
    return *node;
}

/// One look at all slots of a service.
class Look {
  public:
    Look(Tx& tx, const pb::Service& service, const Slots& slots)
        : tx_(tx), service_(service), slots_(slots) {
        for (const auto& [key, slot] : slots) {
            (is_held(service, slot) ? held_ : dead_).push_back(&slot);
        }
    }

    std::optional<Instant> run() {
        const auto wanted = service_.pending_delete() ? 0 : service_.spec().replicated().replicas();
        if (held_.size() > wanted) {
            remove_surplus(wanted);
        } else {
            add_missing(wanted);
        }
        for (const auto* slot : dead_) {
            if (!refilled_.contains(slot->key) && has_room(tx_)) { remove_slot(tx_, *slot); }
        }
        if (!has_room(tx_)) { return tx_.now(); }
        return continue_update(tx_, service_, held_);
    }

  private:
    void remove_surplus(std::size_t wanted) {
        const auto keys = slots_to_give_up(held_, wanted);
        const std::set<SlotKey> given_up(keys.begin(), keys.end());
        std::erase_if(held_, [&](const Slot* slot) { return given_up.contains(slot->key); });
        for (const auto& key : keys) { dead_.push_back(&slots_.at(key)); }
    }

    void add_missing(std::size_t wanted) {
        std::set<std::uint64_t> taken;
        for (const auto* slot : held_) { taken.insert(slot->key.number); }
        std::uint64_t number = 0;
        for (auto missing = wanted - held_.size(); missing > 0 && has_room(tx_); --missing) {
            do { ++number; } while (taken.contains(number));
            fill(SlotKey{number, ""});
        }
    }

    /// A dead slot of that number keeps its history.
    void fill(const SlotKey& key) {
        refilled_.insert(key);
        const auto found = slots_.find(key);
        const Slot empty{key, {}};
        put_new_task(tx_, service_, found == slots_.end() ? empty : found->second, {});
    }

    Tx& tx_;
    const pb::Service& service_;
    const Slots& slots_;
    std::vector<const Slot*> held_;
    std::vector<const Slot*> dead_;
    std::set<SlotKey> refilled_;
};

} // namespace

std::vector<SlotKey> slots_to_give_up(const std::vector<const Slot*>& slots, std::size_t count) {
    auto sorted = slots;
    std::stable_sort(sorted.begin(), sorted.end(), [](const Slot* a, const Slot* b) {
        if (a->is_running() != b->is_running()) { return a->is_running(); }
        return a->key < b->key;
    });
    // How many of the service's tasks its node has up to this one; those between nodes come last.
    std::map<std::string, std::size_t> on_node;
    std::vector<std::pair<std::size_t, const Slot*>> copies;
    for (const auto* slot : sorted) {
        const auto& node = only_node_of(*slot);
        copies.emplace_back(node.empty() ? SIZE_MAX : ++on_node[node], slot);
    }
    std::stable_sort(copies.begin(), copies.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<SlotKey> given_up;
    while (copies.size() > count) {
        given_up.push_back(copies.back().second->key);
        copies.pop_back();
    }
    return given_up;
}

std::optional<Instant> ReplicatedOrchestrator::look_at_service(Tx& tx, const pb::Service& service,
                                                               const Slots& slots) {
    return Look(tx, service, slots).run();
}

void ReplicatedOrchestrator::judge(Tx& tx, const pb::Service& service, const Slots& slots) {
    judge_update(tx, service, slots);
}

ServiceLoop::SlotLook ReplicatedOrchestrator::look_at_slot(Tx& tx, const pb::Service& service,
                                                           const Slot& slot) {
    if (stop_surplus(tx, service, slot)) { return {}; } // its changes are looked at again
    const auto next = supervise(tx, service, slot);
    const bool given_up = !slot.tasks.empty() &&
                          std::all_of(slot.tasks.begin(), slot.tasks.end(), [](const auto& task) {
                              return task->desired_state() >= pb::REMOVE;
                          });
    return {next, !given_up && !is_held(service, slot)};
}

} // namespace shoal::swarm
