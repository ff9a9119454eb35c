// The part of Member that keeps its member of the log at the cluster's pace: what the operator
// changes is told to the log's process at its start only, so managers restart it one after the
// other. Whose turn it is stands in the log itself; the leader waits for the others and gives its
// lead away first.
#include "swarm/member/member.h"

namespace shoal::swarm {
namespace {

/// Not under the prefix of what is replicated and backed up.
constexpr auto turn_key = "/turn/restart";
constexpr int leader_looks = 4; ///< so long nobody else must have wanted it
/// Whoever takes longer with its turn has lost it; but only while every manager can be reached.
constexpr std::chrono::minutes turn_patience(5);
constexpr std::chrono::seconds call_limit(5);
constexpr std::chrono::seconds restart_limit(20);

struct Pace {
    std::uint32_t heartbeat_ms = 0;
    std::uint32_t election_ms = 0;
    std::uint64_t snapshot_interval = 0;
    bool operator==(const Pace&) const = default;
};

Pace pace_of(const SavedMember& saved) {
    return {saved.heartbeat_ms, saved.election_ms, saved.snapshot_interval};
}

Pace pace_of(const pb::ClusterSpec& spec) {
    return {spec.store_timing().heartbeat_ms(), spec.store_timing().election_ms(),
            spec.raft().snapshot_interval()};
}

struct Managers {
    int all = 0;
    int reachable = 0;
};
Managers count_managers(const Store& store) {
    Managers count;
    for (const auto& [id, node] : store.all<pb::Node>()) {
        if (node->role() != pb::MANAGER) { continue; }
        const auto reachability = node->manager_status().reachability();
        ++count.all;
        count.reachable += reachability == pb::RaftMemberStatus::REACHABLE ? 1 : 0;
    }
    return count;
}

} // namespace

/// None that is away must come to lack this one too. A leader lets the others go first.
bool Member::may_restart_log() {
    const auto& status = manager_->log_status();
    const Managers count = count_managers(manager_->store());
    if (!status || status->leader_id.empty() || count.reachable < count.all) { return false; }
    return !status->leads() || count.all == 1 || quiet_looks_ >= leader_looks;
}

/// False: it is another's.
net::Task<Result<bool>> Member::take_restart_turn(net::Until until) {
    CO_TRY_LET(held, co_await log_->get(turn_key, until));
    if (held && held->value == saved_.node_id) { co_return true; }
    if (held && held->revision != turn_revision_) {
        turn_revision_ = held->revision;
        turn_since_ = seams_.loop.now();
    }
    const auto holder = held ? manager_->store().get<pb::Node>(held->value) : nullptr;
    const bool lives = holder && holder->role() == pb::MANAGER;
    const bool lost = !lives || seams_.loop.now() - turn_since_ > turn_patience;
    quiet_looks_ = held ? 0 : quiet_looks_ + 1;
    if (!may_restart_log() || (held && !lost)) { co_return false; }
    LogTxn take;
    take.guards.push_back({turn_key, held ? held->revision : 0});
    take.writes.push_back({turn_key, saved_.node_id});
    CO_TRY_LET(taken, co_await log_->commit(std::move(take), until));
    co_return taken.applied;
}

net::Task<Result<void>> Member::give_restart_turn(net::Until until) {
    CO_TRY_LET(held, co_await log_->get(turn_key, until));
    if (held && held->value == saved_.node_id) {
        LogTxn give;
        give.guards.push_back({turn_key, held->revision});
        give.writes.push_back({turn_key, std::nullopt});
        CO_TRY(co_await log_->commit(std::move(give), until));
    }
    has_turn_ = false;
    co_return ok();
}

/// The only member cannot, and need not.
net::Task<Result<void>> Member::hand_over_log(net::Until until) {
    CO_TRY_LET(status, co_await log_->status(until));
    if (!status.leads()) { co_return ok(); }
    CO_TRY_LET(members, co_await log_->members(until));
    for (const LogMember& member : members) {
        if (member.id == status.member_id || member.learner) { continue; }
        const auto moved = co_await log_->move_leader(member.id, until);
        if (moved) { co_return ok(); }
    }
    co_return ok();
}

net::Task<Result<void>> Member::follow_pace(net::Until until) {
    const auto cluster = manager_->store().cluster();
    if (!cluster) { co_return ok(); }
    const Pace wanted = pace_of(cluster->spec());
    const bool differs = wanted != pace_of(saved_);
    const auto& known = manager_->log_status();
    const bool answers = known && !known->leader_id.empty();
    if (!log_is_due_ && (!answers || (!differs && !has_turn_))) { co_return ok(); }
    const net::Until limit = until.no_later_than(seams_.loop.in(call_limit));
    if (differs && answers) {
        const auto mine = co_await take_restart_turn(limit);
        if (!mine || !*mine) { co_return ok(); } // the next look tries again
        has_turn_ = true;
        const auto handed_over = co_await hand_over_log(limit);
        (void)handed_over; // who restarts as the leader is missed for an election
        saved_.heartbeat_ms = wanted.heartbeat_ms;
        saved_.election_ms = wanted.election_ms;
        saved_.snapshot_interval = wanted.snapshot_interval;
        CO_TRY(save());
        log_is_due_ = true;
        seams_.log("swarm: the log's settings have changed; its process is restarted");
    }
    // While this member is not well it keeps the turn.
    if (log_is_due_) {
        const net::Until patience = until.no_later_than(seams_.loop.in(restart_limit));
        LogStart how = log_start(LogStart::How::Again);
        CO_TRY(co_await seams_.log_host.apply(std::move(how), patience));
        log_is_due_ = false;
    }
    const auto status = co_await log_->status(limit);
    if (!status || status->leader_id.empty() || status->learner) { co_return ok(); }
    const auto given = co_await give_restart_turn(limit);
    (void)given; // the next look tries again
    co_return ok();
}

} // namespace shoal::swarm
