#include "swarm/manager/reach.h"

#include "net/sleep.h"
#include "swarm/proto/health.pb.h"

namespace shoal::swarm {
namespace {

constexpr std::chrono::seconds round_pause(1);
constexpr std::chrono::seconds answer_limit(2);
constexpr std::chrono::seconds note_limit(5);
constexpr int misses_max = 2; ///< in a row, then it counts as away
constexpr int not_yet = -1;   ///< it has just got its place in the log, and catches up

using Reachability = pb::RaftMemberStatus::Reachability;
using Found = std::map<std::string, Reachability>;

bool has_news(const Store& store, const Found& found) {
    for (const auto& [id, reachability] : found) {
        const auto node = store.get<pb::Node>(id);
        if (!node || !node->has_manager_status()) { continue; }
        if (node->manager_status().reachability() != reachability) { return true; }
    }
    return false;
}

Result<void> put_found(Tx& tx, const Found& found) {
    for (const auto& [id, reachability] : found) {
        const auto held = tx.store().get<pb::Node>(id);
        if (!held || !held->has_manager_status()) { continue; } // demoted, or removed
        if (held->manager_status().reachability() == reachability) { continue; }
        pb::Node node = *held;
        node.mutable_manager_status()->set_reachability(reachability);
        tx.put(std::move(node));
    }
    return ok();
}

} // namespace

ManagerReach::ManagerReach(net::Loop& loop, const Store& store, Transport& transport,
                           Writer& writer, std::string node_id)
    : loop_(loop), store_(store), transport_(transport), writer_(writer),
      node_id_(std::move(node_id)) {}

void ManagerReach::take_managers() {
    std::map<std::string, Peer> next;
    for (const auto& [id, node] : store_.all<pb::Node>()) {
        const std::string& address = node->manager_status().addr();
        if (id == node_id_ || !node->has_manager_status() || address.empty()) { continue; }
        const auto known = peers_.find(id);
        const bool same = known != peers_.end() && known->second.address == address;
        Peer fresh;
        fresh.address = address;
        next[id] = same ? std::move(known->second) : std::move(fresh);
    }
    peers_ = std::move(next);
}

net::Task<Result<void>> ManagerReach::ask_once(std::string node_id, net::Until until) {
    Peer& peer = peers_.at(node_id);
    if (!peer.channel || peer.channel->ended()) {
        CO_TRY_LET(made, co_await Channel::connect(loop_, transport_, peer.address, Trust::Managers,
                                                   until));
        peer.channel = std::move(made);
    }
    const auto channel = peer.channel;
    pb::HealthCheckRequest request;
    request.set_service("Raft");
    auto answer = co_await channel->call<pb::HealthCheckResponse>(
        "/docker.swarmkit.v1.Health/Check", request, until);
    if (!answer) {
        // Of a version that does not know the question: it answers.
        if (answer.error().code == Errc::NotFound) { co_return ok(); }
        co_return answer.error();
    }
    if (answer->status() != pb::HealthCheckResponse::SERVING) {
        co_return Error{Errc::Unavailable, "its member of the log is away"};
    }
    co_return ok();
}

net::Task<void> ManagerReach::ask(std::string node_id, net::Until until) {
    const net::Until limit = until.no_later_than(loop_.in(answer_limit));
    const auto outcome = co_await ask_once(node_id, limit);
    if (until.cancelled()) { co_return; }
    Peer& peer = peers_.at(node_id);
    const auto node = store_.get<pb::Node>(node_id);
    const bool has_come =
        node && node->manager_status().reachability() != pb::RaftMemberStatus::UNKNOWN;
    if (outcome) {
        peer.misses = 0;
    } else {
        peer.misses = has_come ? std::max(peer.misses, 0) + 1 : not_yet;
    }
    if (!outcome) { peer.channel.reset(); }
}

net::Task<void> ManagerReach::note(net::Until until) {
    Found found{{node_id_, pb::RaftMemberStatus::REACHABLE}};
    for (const auto& [id, peer] : peers_) {
        if (peer.misses == 0) { found[id] = pb::RaftMemberStatus::REACHABLE; }
        if (peer.misses >= misses_max) { found[id] = pb::RaftMemberStatus::UNREACHABLE; }
    }
    if (!has_news(store_, found)) { co_return; }
    const Mutation change = [found](Tx& tx) { return put_found(tx, found); };
    const auto written = co_await writer_.submit(change, until.no_later_than(loop_.in(note_limit)));
    (void)written; // the next round sees that it is not so
}

net::Task<void> ManagerReach::run(net::Until until) {
    while (!until.cancelled()) {
        take_managers();
        net::TaskScope round(loop_, *until.cancel);
        for (const auto& [id, peer] : peers_) { round.spawn(ask(id, net::Until(round.cancel()))); }
        (void)co_await round.drain({});
        if (until.cancelled()) { break; }
        co_await note(until);
        co_await net::sleep(loop_, until.no_later_than(loop_.in(round_pause)));
    }
    peers_.clear();
}

} // namespace shoal::swarm
