// The part of Member that follows what the managers want of this node: its role and its
// certificate.
#include "swarm/ca/certificate.h"
#include "swarm/ca/founding.h"
#include "swarm/ca/join.h"
#include "swarm/manager/methods.h"
#include "swarm/member/member.h"
#include "swarm/proto/ca.pb.h"

#include "net/sleep.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

constexpr auto method_unlock_key = "/docker.swarmkit.v1.CA/GetUnlockKey";
constexpr std::chrono::seconds call_limit(10);
constexpr std::chrono::milliseconds promotion_pause(100);
constexpr std::chrono::seconds promotion_turn(5);
constexpr std::chrono::seconds own_store_patience(10);

} // namespace

/// Each time another one first, since one that answers may still know no leader; this node itself
/// only when there is nobody else.
std::vector<std::string> Member::managers_to_call() {
    std::vector<std::string> all = agent_->managers();
    if (all.size() > 1) { std::erase(all, saved_.advertise_address); }
    if (all.empty()) { return all; }
    const auto first = static_cast<std::ptrdiff_t>(calls_made_++ % all.size());
    std::rotate(all.begin(), all.begin() + first, all.end());
    return all;
}

net::Task<Result<std::unique_ptr<Channel>>> Member::call_a_manager(net::Until until) {
    Error last{Errc::Unavailable, "no manager of the swarm is known"};
    const std::vector<std::string> all = managers_to_call();
    for (const std::string& address : all) {
        const net::Until limit = until.no_later_than(seams_.loop.in(call_limit));
        auto made =
            co_await Channel::connect(seams_.loop, *transport_, address, Trust::Managers, limit);
        if (made) { co_return std::move(*made); }
        last = std::move(made).error();
    }
    co_return last;
}

struct Member::Asked {
    Asked(net::Loop& loop, net::Cancel& parent) : cancel(parent), done(loop) {}
    net::Cancel cancel;
    net::Flag done;
    Result<std::string> outcome = std::string();
};

net::Task<void> Member::perform(std::shared_ptr<Asked> asked, std::string method,
                                std::string request, Deadline deadline) {
    const net::Until until(deadline, asked->cancel);
    auto channel = co_await call_a_manager(until);
    if (channel) {
        asked->outcome =
            co_await (*channel)->call_raw(std::move(method), std::move(request), until);
    } else {
        asked->outcome = std::move(channel).error();
    }
    asked->done.set();
}

/// In the agent's scope: what the call needs is not taken away while it is under way.
net::Task<Result<std::string>> Member::ask_a_manager(std::string method, std::string request,
                                                     net::Until until) {
    if (!agent_scope_ || agent_scope_->cancel().cancelled()) {
        co_return Error{Errc::Unavailable, "this node is in no swarm"};
    }
    const auto asked = std::make_shared<Asked>(seams_.loop, agent_scope_->cancel());
    agent_scope_->spawn(perform(asked, std::move(method), std::move(request), until.deadline));
    const auto wake = co_await asked->done.wait(until);
    if (wake == net::Wake::Raised) { co_return std::move(asked->outcome); }
    asked->cancel.cancel();
    co_return net::to_result(wake, "ask a manager").error();
}

bool Member::certificate_is_due() const {
    return renew_at_ != Instant{} && seams_.clock.now() >= renew_at_;
}

net::Task<Result<void>> Member::renew(net::Until until) {
    const JoinSeams seams{seams_.loop, seams_.clock, *transport_, *credentials_};
    CO_TRY_LET(next, co_await renew_certificate(seams, agent_->managers(), until));
    CO_TRY(use_credentials(std::move(next)));
    plan_next_renewal();
    co_return ok();
}

Result<void> Member::use_credentials(NodeCredentials next) {
    TRY(keys_->save(next));
    TRY(credentials_->replace(std::move(next)));
    if (agent_) { agent_->describe_now(); }
    return ok();
}

bool Member::certificate_is_in_time() const {
    const auto& identity = credentials_->identity();
    const Instant now = seams_.clock.now();
    return identity && identity->not_before <= now && now < identity->not_after;
}

/// A manager has the cluster's root in its own store. Whether it still is a manager it cannot know
/// for sure; but who has been removed is refused all the same, and has that root anyway.
Result<NodeCredentials> Member::sign_own() const {
    const Store& store = manager_->store();
    const auto cluster = store.cluster();
    const auto node = store.get<pb::Node>(saved_.node_id);
    if (!cluster || !node || node->role() != pb::MANAGER) {
        return Error{Errc::Forbidden, "this node is not a manager any more"};
    }
    TRY_LET(own, make_request());
    const Subject subject{saved_.node_id, saved_.cluster_id, Role::Manager};
    const Life life{seams_.clock.now(),
                    from_duration(cluster->spec().ca_config().node_cert_expiry())};
    NodeCredentials next;
    TRY_LET(certificate, sign_node_certificate(signer_of(*cluster), own.request, subject, life));
    next.certificate = std::move(certificate);
    next.key = std::move(own.key);
    next.roots = trusted_roots(*cluster);
    TRY(tls_info_of(next.certificate, next.roots, life.now)); // it will be good for others too
    return next;
}

/// Nobody trusts a manager whose certificate has run out, and when all have, nobody could renew
/// any: each helps itself, and then asks for a proper one.
net::Task<Result<void>> Member::renew_by_own_store(net::Until until) {
    const net::Until limit = until.no_later_than(seams_.loop.in(own_store_patience));
    const net::Wake wake = co_await manager_->when_loaded().wait(limit);
    CO_TRY(net::to_result(wake, "wait for the store"));
    CO_TRY_LET(next, sign_own());
    CO_TRY(use_credentials(std::move(next)));
    renew_at_ = seams_.clock.now();
    seams_.log("swarm: this manager's certificate had run out; it has signed itself a new one");
    co_return ok();
}

/// The others have taken this node's member out of the log.
net::Task<Result<void>> Member::follow_removal(net::Until until) {
    const auto turn = co_await changing_.acquire(until);
    if (!turn) { co_return turn.error(); }
    seams_.log("swarm: " + seams_.log_host.trouble());
    co_await stop_manager();
    co_return ok();
}

void Member::plan_next_renewal() {
    const auto& identity = credentials_->identity();
    renew_at_ = identity ? plan_renewal(*identity, seams_.clock.now(), seams_.random) : Instant{};
}

net::Task<Result<void>> Member::adjust_role(net::Until until) {
    if (manager_ && seams_.log_host.was_removed()) { CO_TRY(co_await follow_removal(until)); }
    if (manager_ && !certificate_is_in_time()) {
        const auto helped = co_await renew_by_own_store(until);
        (void)helped; // the other managers may help below
    }
    if (node_.id().empty()) { // nobody has told us our role; without a certificate nobody will
        if (certificate_is_due()) { co_return co_await renew(until); }
        co_return ok();
    }
    const Role wanted = node_.role() == pb::MANAGER ? Role::Manager : Role::Worker;
    const bool rotate = node_.certificate().status().state() == pb::IssuanceStatus::ROTATE;
    if (wanted != certificate_role() || rotate || certificate_is_due()) {
        CO_TRY(co_await renew(until));
        if (certificate_role() != wanted) {
            co_return Error{Errc::Unavailable, "the new certificate has the old role"};
        }
    }
    const auto turn = co_await changing_.acquire(until);
    if (!turn) { co_return turn.error(); }
    if (wanted == Role::Manager && !manager_) { co_return co_await become_manager(until); }
    if (manager_) {
        CO_TRY(follow_autolock());
        const auto status = manager_->log_status();
        // It came back before it was promoted, or catches up slowly.
        if (status && status->learner && wanted == Role::Manager) {
            co_return co_await be_promoted(status->member_id, until);
        }
        if (wanted == Role::Manager) { CO_TRY(co_await follow_pace(until)); }
    }
    const bool has_been_manager =
        manager_ || seams_.log_host.has_data() || !keys_->manager_keys().empty();
    if (wanted == Role::Worker && has_been_manager) { co_return co_await become_worker(until); }
    co_return ok();
}

net::Task<Result<mpb::JoinStoreResponse>> Member::ask_for_member(mpb::JoinStoreRequest request,
                                                                 net::Until until) {
    CO_TRY_LET(channel, co_await call_a_manager(until));
    co_return co_await channel->call<mpb::JoinStoreResponse>(method_join, request, until);
}

net::Task<Result<void>> Member::wait_for_promotion(std::string member_id, net::Until until) {
    mpb::MemberRequest request;
    request.set_member_id(member_id);
    for (;;) {
        auto channel = co_await call_a_manager(until);
        Result<void> outcome = ok();
        if (channel) {
            const net::Until once = until.no_later_than(seams_.loop.in(call_limit));
            const auto answer =
                co_await (*channel)->call<mpb::MemberResponse>(method_promote, request, once);
            if (answer) { co_return ok(); }
            outcome = answer.error();
            const Errc code = outcome.error().code;
            if (code == Errc::Forbidden || code == Errc::NotFound) { co_return outcome; }
        } else {
            outcome = channel.error();
        }
        const net::Until limit = until.no_later_than(seams_.loop.in(promotion_pause));
        const net::Wake wake = co_await net::sleep(seams_.loop, limit);
        if (wake == net::Wake::Cancelled || seams_.loop.now() >= until.deadline.at()) {
            co_return std::move(outcome).with("become a full member of the store");
        }
    }
}

net::Task<Result<void>> Member::become_manager(net::Until until) {
    co_await seams_.log_host.end_left_over();
    CO_TRY(seams_.log_host.erase());
    CO_TRY_LET(own, make_request());
    mpb::JoinStoreRequest request;
    request.set_node_id(saved_.node_id);
    request.set_peer_address(peer_address_of(saved_.advertise_address));
    request.set_address(saved_.advertise_address);
    request.set_csr(own.request);
    CO_TRY_LET(answer, co_await ask_for_member(std::move(request), until));

    // Nothing secret is written in the clear where managers are locked.
    CO_TRY_LET(channel, co_await call_a_manager(until));
    const pb::GetUnlockKeyRequest no_words;
    CO_TRY_LET(
        lock, co_await channel->call<pb::GetUnlockKeyResponse>(method_unlock_key, no_words, until));
    if (!lock.unlock_key().empty()) {
        CO_TRY(keys_->use_unlock_key(lock.unlock_key(), lock.version().index()));
    }

    ManagerKeys keys;
    keys.data_keys.assign(answer.data_keys().begin(), answer.data_keys().end());
    keys.store_ca_cert = answer.store_ca_cert();
    keys.store_cert = answer.store_cert();
    keys.store_key = own.key;
    CO_TRY(keys_->save(std::move(keys)));
    saved_.peer_url = answer.peer_url();
    saved_.peer_listen_address = peer_address_of(saved_.listen_address);
    saved_.heartbeat_ms = answer.heartbeat_ms();
    saved_.election_ms = answer.election_ms();
    saved_.snapshot_interval = answer.snapshot_interval();
    CO_TRY(save());

    LogStart how = log_start(LogStart::How::Join);
    for (const auto& member : answer.members()) {
        how.members.push_back({member.id(), member.name(), member.peer_url(), member.learner()});
    }
    CO_TRY(co_await start_manager(std::move(how), until));
    co_return co_await be_promoted(answer.member_id(), until);
}

/// A while, since others want their turn too; adjust_role() goes on with it however long the member
/// takes to catch up. Only one that has no place any more is given up.
net::Task<Result<void>> Member::be_promoted(std::string member_id, net::Until until) {
    const net::Until limit = until.no_later_than(seams_.loop.in(promotion_turn));
    auto promoted = co_await wait_for_promotion(std::move(member_id), limit);
    const bool refused = !promoted && (promoted.error().code == Errc::Forbidden ||
                                       promoted.error().code == Errc::NotFound);
    if (refused) { co_await stop_manager(); }
    co_return promoted;
}

/// Its member has left the log before its role changed (RoleKeeper), so that nothing which it
/// writes now counts. The keys go last: while they are here, this is begun again after a crash.
net::Task<Result<void>> Member::become_worker(net::Until) {
    co_await stop_manager();
    co_await seams_.log_host.end_left_over();
    CO_TRY(seams_.log_host.erase());
    saved_.peer_url.clear();
    CO_TRY(save());
    CO_TRY(keys_->save(ManagerKeys()));
    co_return keys_->use_unlock_key("", 0); // workers are not locked
}

void Member::heard_of_root(const std::string& root) {
    const NodeCredentials& held = credentials_->held();
    if (root == held.roots || root.empty()) { return; }
    if (!check_new_roots(held, root, seams_.clock.now())) { return; }
    NodeCredentials next = held;
    next.roots = root;
    auto outcome = keys_->save_roots(root);
    if (outcome) { outcome = credentials_->replace(std::move(next)); }
    if (!outcome) { seams_.log("swarm: new roots: " + outcome.error().message); }
    if (agent_) { agent_->describe_now(); }
}

/// Managers keep their secrets under the unlock key that the cluster has now.
Result<void> Member::follow_autolock() {
    const auto cluster = manager_->store().cluster();
    if (!cluster) { return ok(); }
    std::string key = unlock_key_of(*cluster);
    if (key == keys_->unlock_key()) { return ok(); }
    return keys_->use_unlock_key(std::move(key), cluster->meta().version().index());
}

void Member::heard_of_changes(const std::vector<Change>& changes) {
    for (const Change& change : changes) {
        if (change.kind != Kind::Cluster || !manager_) { continue; }
        look_.raise();
        const auto outcome = follow_autolock();
        if (!outcome) { seams_.log("swarm: autolock: " + outcome.error().message); }
    }
    moved_.wake_all();
}

} // namespace shoal::swarm
