#include "swarm/manager/membership.h"

namespace shoal::swarm {
namespace {

constexpr std::chrono::seconds learner_patience(60);

/// Writes where the manager is reached.
Result<void> note_member(Tx& tx, const std::string& node_id, const pb::ManagerStatus& status) {
    const auto held = tx.store().get<pb::Node>(node_id);
    if (!held) { return not_found("node", node_id); }
    if (held->role() != pb::MANAGER || held->spec().desired_role() != pb::MANAGER) {
        return Error{Errc::Forbidden, "node " + node_id + " is not a manager any more"};
    }
    pb::Node node = *held;
    *node.mutable_manager_status() = status;
    tx.put(std::move(node));
    return ok();
}

/// It has just asked, and follows the log: nobody has to find that out (manager/reach.h).
Result<void> note_arrival(Tx& tx, const std::string& node_id) {
    const auto held = tx.store().get<pb::Node>(node_id);
    if (!held || !held->has_manager_status()) { return ok(); }
    pb::Node node = *held;
    node.mutable_manager_status()->set_reachability(pb::RaftMemberStatus::REACHABLE);
    tx.put(std::move(node));
    return ok();
}

} // namespace

std::string host_of(const std::string& address) {
    const auto colon = address.rfind(':');
    std::string host = colon == std::string::npos ? address : address.substr(0, colon);
    if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    return host;
}

std::string with_host(const std::string& given, const std::string& caller) {
    const std::string host = host_of(given);
    if (!host.empty() && host != "0.0.0.0" && host != "::") { return given; }
    const std::string theirs = host_of(caller);
    const bool six = theirs.find(':') != std::string::npos;
    const auto colon = given.rfind(':');
    return (six ? "[" + theirs + "]" : theirs) +
           (colon == std::string::npos ? "" : given.substr(colon));
}

Membership::Membership(net::Loop& loop, const Store& store, Log& log, Writer& writer,
                       MemberGifts& gifts)
    : loop_(loop), store_(store), log_(log), writer_(writer), gifts_(gifts), one_at_a_time_(loop) {}

Result<NodePtr> Membership::manager_node(const std::string& node_id) const {
    auto node = store_.get<pb::Node>(node_id);
    if (!node) { return not_found("node", node_id); }
    // One that is being demoted has lost its member already, and must not come again.
    if (node->role() != pb::MANAGER || node->spec().desired_role() != pb::MANAGER) {
        return Error{Errc::Forbidden, "node " + node_id + " is not a manager"};
    }
    return node;
}

net::Task<Result<void>> Membership::remove_given_up(std::string peer_url, net::Until until) {
    CO_TRY_LET(members, co_await log_.members(until));
    for (const LogMember& member : members) {
        const auto known = learners_.find(member.id);
        const bool late = known == learners_.end() || known->second < loop_.now();
        const bool given_up = member.learner && late;
        if (!given_up && member.peer_url != peer_url) { continue; }
        learners_.erase(member.id);
        CO_TRY(co_await log_.remove(member.id, until));
    }
    co_return ok();
}

net::Task<Result<LogMember>> Membership::add(std::string peer_url, NodePtr node, net::Until until) {
    // It comes anew: what it had as a member is lost.
    const std::string& before = node->manager_status().store_member_id();
    if (!before.empty()) {
        const auto removed = co_await log_.remove(before, until);
        if (!removed && removed.error().code != Errc::NotFound) { co_return removed.error(); }
    }
    CO_TRY(co_await remove_given_up(peer_url, until));
    CO_TRY_LET(member, co_await log_.add_learner(peer_url, until));
    learners_[member.id] = loop_.now() + learner_patience;
    co_return member;
}

net::Task<Result<mpb::JoinStoreResponse>> Membership::join(mpb::JoinStoreRequest asked,
                                                           Caller caller, net::Until until) {
    if (caller.node_id != asked.node_id()) {
        co_return Error{Errc::Forbidden, "a manager joins for itself only"};
    }
    const auto turn = co_await one_at_a_time_.acquire(until);
    if (!turn) { co_return turn.error(); }
    CO_TRY_LET(node, manager_node(asked.node_id()));
    const std::string peer_address = with_host(asked.peer_address(), caller.address);
    const std::string peer_url = "https://" + peer_address;
    for (const auto& [id, other] : store_.all<pb::Node>()) {
        const bool taken = other->manager_status().store_peer_address() == peer_address;
        if (id != node->id() && taken) {
            co_return conflict("the address " + peer_address + " belongs to manager " + id);
        }
    }
    CO_TRY_LET(certificate, gifts_.sign(asked.csr(), node->id(), host_of(peer_address)));
    CO_TRY_LET(member, co_await add(peer_url, node, until));

    pb::ManagerStatus status;
    status.set_addr(with_host(asked.address(), caller.address));
    status.set_store_member_id(member.id);
    status.set_store_peer_address(peer_address);
    const Mutation note = [id = node->id(), status](Tx& tx) { return note_member(tx, id, status); };
    CO_TRY(co_await writer_.submit(note, until));

    CO_TRY_LET(members, co_await log_.members(until));
    mpb::JoinStoreResponse answer;
    answer.set_member_id(member.id);
    answer.set_peer_url(peer_url);
    for (const LogMember& one : members) {
        auto& out = *answer.add_members();
        out.set_id(one.id);
        out.set_name(one.name);
        out.set_peer_url(one.peer_url);
        out.set_learner(one.learner);
    }
    const auto cluster = store_.cluster();
    if (!cluster) { co_return internal("the cluster's object is missing"); }
    answer.set_store_ca_cert(cluster->root_ca().store_ca_cert());
    answer.set_store_cert(std::move(certificate));
    for (auto& key : gifts_.data_keys()) { *answer.add_data_keys() = std::move(key); }
    answer.set_heartbeat_ms(cluster->spec().store_timing().heartbeat_ms());
    answer.set_election_ms(cluster->spec().store_timing().election_ms());
    answer.set_snapshot_interval(cluster->spec().raft().snapshot_interval());
    co_return answer;
}

net::Task<Result<mpb::MemberResponse>> Membership::promote(mpb::MemberRequest asked, Caller caller,
                                                           net::Until until) {
    CO_TRY_LET(node, manager_node(caller.node_id));
    if (node->manager_status().store_member_id() != asked.member_id()) {
        co_return Error{Errc::Forbidden, "that member belongs to another manager"};
    }
    auto promoted = co_await log_.promote(asked.member_id(), until);
    if (!promoted) {
        // It lives and catches up: nobody takes its place, however long that takes.
        if (promoted.error().code == Errc::Unavailable) {
            learners_[asked.member_id()] = loop_.now() + learner_patience;
        }
        co_return promoted.error();
    }
    learners_.erase(asked.member_id());
    const Mutation arrive = [id = node->id()](Tx& tx) { return note_arrival(tx, id); };
    CO_TRY(co_await writer_.submit(arrive, until));
    co_return mpb::MemberResponse();
}

} // namespace shoal::swarm
