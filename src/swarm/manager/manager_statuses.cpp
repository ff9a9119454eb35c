#include "swarm/manager/manager_statuses.h"

namespace shoal::swarm {

void ManagerStatuses::rebuild(const Store& store) {
    noted_.clear();
    for (const auto& [id, node] : store.all<pb::Node>()) {
        if (node->has_manager_status()) { noted_.insert(id); }
    }
}

void ManagerStatuses::observe(const Store&, const Change& change) {
    const auto node = change.new_as<pb::Node>();
    if (node && node->has_manager_status()) { noted_.insert(change.id); }
}

std::optional<Instant> ManagerStatuses::run(Tx& tx) {
    for (const std::string& id : std::exchange(noted_, {})) {
        const auto held = tx.store().get<pb::Node>(id);
        if (!held || !held->has_manager_status()) { continue; }
        const bool leads = id == node_id_;
        const pb::ManagerStatus& status = held->manager_status();
        const auto reachability = leads ? pb::RaftMemberStatus::REACHABLE : status.reachability();
        if (status.leader() == leads && status.reachability() == reachability) { continue; }
        pb::Node node = *held;
        node.mutable_manager_status()->set_leader(leads);
        node.mutable_manager_status()->set_reachability(reachability);
        tx.put(std::move(node));
    }
    return std::nullopt;
}

} // namespace shoal::swarm
