#include "swarm/manager/roles.h"

#include "net/sleep.h"

namespace shoal::swarm {
namespace {
constexpr std::chrono::seconds retry_pause(1);
constexpr std::chrono::seconds step_limit(10);
constexpr std::chrono::seconds look_pause(5);

/// Sets the role that is desired, if that is still so.
Result<void> set_role(Tx& tx, const std::string& node_id, pb::NodeRole role) {
    const auto held = tx.store().get<pb::Node>(node_id);
    if (!held || held->spec().desired_role() != role) { return ok(); }
    pb::Node node = *held;
    node.set_role(role);
    if (role == pb::WORKER) { node.clear_manager_status(); }
    tx.put(std::move(node));
    return ok();
}
} // namespace

RoleKeeper::RoleKeeper(net::Loop& loop, const Store& store, Log& log, Writer& writer,
                       std::string node_id)
    : loop_(loop), store_(store), log_(log), writer_(writer), node_id_(std::move(node_id)),
      look_(loop) {}

std::vector<std::string> RoleKeeper::misplaced() const {
    std::vector<std::string> all;
    for (const auto& [id, node] : store_.all<pb::Node>()) {
        if (node->role() != node->spec().desired_role()) { all.push_back(id); }
    }
    return all;
}

net::Task<Result<void>> RoleKeeper::hand_over(net::Until until) {
    CO_TRY_LET(status, co_await log_.status(until));
    CO_TRY_LET(members, co_await log_.members(until));
    for (const LogMember& member : members) {
        if (member.id == status.member_id || member.learner) { continue; }
        const auto moved = co_await log_.move_leader(member.id, until);
        if (moved) { co_return ok(); }
    }
    co_return Error{Errc::Unavailable, "no other manager can lead"};
}

net::Task<Result<void>> RoleKeeper::demote(NodePtr node, net::Until until) {
    const std::string& member_id = node->manager_status().store_member_id();
    if (!member_id.empty()) {
        // The next leader does the rest.
        if (node->id() == node_id_) { co_return co_await hand_over(until); }
        auto removed = co_await log_.remove(member_id, until);
        if (!removed && removed.error().code != Errc::NotFound) { co_return removed; }
    }
    const Mutation change = [id = node->id()](Tx& tx) { return set_role(tx, id, pb::WORKER); };
    CO_TRY(co_await writer_.submit(change, until));
    co_return ok();
}

net::Task<Result<void>> RoleKeeper::keep(std::string node_id, net::Until until) {
    const auto node = store_.get<pb::Node>(node_id);
    if (!node || node->role() == node->spec().desired_role()) { co_return ok(); }
    if (node->spec().desired_role() == pb::WORKER) { co_return co_await demote(node, until); }
    const Mutation change = [node_id](Tx& tx) { return set_role(tx, node_id, pb::MANAGER); };
    CO_TRY(co_await writer_.submit(change, until));
    co_return ok();
}

net::Task<void> RoleKeeper::run(net::Until until) {
    while (!until.cancelled()) {
        bool failed = false;
        for (const std::string& id : misplaced()) {
            const auto outcome = co_await keep(id, until.no_later_than(loop_.in(step_limit)));
            if (until.cancelled()) { co_return; }
            failed = failed || !outcome;
        }
        const auto pause = failed ? retry_pause : look_pause;
        (void)co_await look_.wait(until.no_later_than(loop_.in(pause)));
    }
}

} // namespace shoal::swarm
