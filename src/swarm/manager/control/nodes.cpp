#include "swarm/manager/control/nodes.h"

#include "swarm/manager/control/version.h"

namespace shoal::swarm {
namespace {

Result<NodePtr> held(const Tx& tx, const std::string& id) {
    auto node = tx.store().get<pb::Node>(id);
    if (!node) { return Error{Errc::NotFound, "node " + id + " not found"}; }
    return node;
}

/// Managers as they are wished for, and members of the store as they are.
struct Managers {
    int wished = 0;
    int members = 0;
    int reachable = 0;
};
Managers count_managers(const Store& store) {
    Managers count;
    for (const auto& [id, node] : store.all<pb::Node>()) {
        if (node->spec().desired_role() == pb::MANAGER) { ++count.wished; }
        if (!node->has_manager_status()) { continue; }
        ++count.members;
        const auto reach = node->manager_status().reachability();
        if (reach == pb::RaftMemberStatus::REACHABLE) { ++count.reachable; }
    }
    return count;
}

/// Whether those that are left would have a majority among themselves.
bool keeps_majority(const Managers& count, const pb::Node& leaving) {
    if (!leaving.has_manager_status()) { return true; }
    const bool reachable =
        leaving.manager_status().reachability() == pb::RaftMemberStatus::REACHABLE;
    const int members = count.members - 1;
    const int left = count.reachable - (reachable ? 1 : 0);
    return left >= members / 2 + 1;
}

Result<void> check_demotion(const Managers& count, const pb::Node& node) {
    if (count.wished <= 1) { return invalid("attempting to demote the last manager of the swarm"); }
    if (!keeps_majority(count, node)) {
        return invalid("can't remove member from the raft: this would result in a loss of quorum");
    }
    return ok();
}

bool is_demotion(const pb::Node& node, const pb::NodeSpec& spec) {
    return node.spec().desired_role() == pb::MANAGER && spec.desired_role() == pb::WORKER;
}

bool is_manager(const pb::Node& node) {
    return node.role() == pb::MANAGER || node.spec().desired_role() == pb::MANAGER ||
           node.has_manager_status();
}

void orphan_tasks(Tx& tx, const std::string& node) {
    const auto tasks = tx.store().tasks_of_node(node); // a copy: it changes below
    for (const auto& [id, task] : tasks) {
        if (is_terminal(task->status().state())) { continue; }
        auto orphan = *task;
        auto& status = *orphan.mutable_status();
        status.set_state(pb::ORPHANED);
        status.set_message("task belonged to a node that has been removed");
        *status.mutable_timestamp() = to_timestamp(tx.now());
        *status.mutable_applied_at() = to_timestamp(tx.now());
        tx.put(std::move(orphan));
    }
}

/// Its certificate opens nothing any more; names whose certificates have ended are forgotten.
void refuse_certificate(Tx& tx, const std::string& id, std::optional<Instant> ends) {
    const auto old = tx.store().cluster();
    if (!old) { return; }
    auto cluster = *old;
    auto& unwanted = *cluster.mutable_blacklisted_certificates();
    for (auto at = unwanted.begin(); at != unwanted.end();) {
        const bool over = at->second.has_expiry() && from_timestamp(at->second.expiry()) < tx.now();
        at = over ? unwanted.erase(at) : std::next(at);
    }
    // A clock may be behind: an hour more costs nothing.
    auto& entry = unwanted[id];
    entry.Clear();
    if (ends) { *entry.mutable_expiry() = to_timestamp(*ends + std::chrono::hours(1)); }
    tx.put(std::move(cluster));
}

} // namespace

Result<UpdatedNode> update_node(Tx& tx, const std::string& id, std::uint64_t version,
                                pb::NodeSpec spec) {
    TRY_LET(old, held(tx, id));
    TRY(check_version(*old, version));
    UpdatedNode updated;
    if (is_demotion(*old, spec)) {
        const auto count = count_managers(tx.store());
        TRY(check_demotion(count, *old));
        if (count.wished == 2) {
            updated.warnings.emplace_back(
                "this leaves one manager: when it is lost, the swarm cannot be managed any more");
        }
    }
    auto changed = *old;
    spec.set_membership(old->spec().membership());
    *changed.mutable_spec() = std::move(spec);
    updated.node = tx.put(std::move(changed));
    return updated;
}

Result<void> remove_node(Tx& tx, const std::string& id, RemoveNode options) {
    TRY_LET(node, held(tx, id));
    if (is_manager(*node)) {
        return invalid("node " + id +
                       " is a cluster manager and is a member of the raft cluster. It must be "
                       "demoted to worker before removal");
    }
    if (!options.force && node->status().state() == pb::NodeStatus::READY) {
        return invalid("node " + id + " is not down and can't be removed");
    }
    orphan_tasks(tx, id);
    refuse_certificate(tx, id, options.certificate_ends);
    tx.erase<pb::Node>(id);
    return ok();
}

} // namespace shoal::swarm
