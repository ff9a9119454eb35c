#include "swarm/manager/manager.h"

#include "net/grpc_stream.h"
#include "net/sleep.h"
#include "swarm/allocator/allocator.h"
#include "swarm/ca/network_keys.h"
#include "swarm/ca/rotation.h"
#include "swarm/manager/manager_statuses.h"
#include "swarm/manager/methods.h"
#include "swarm/orchestrator/enforcer.h"
#include "swarm/orchestrator/global.h"
#include "swarm/orchestrator/jobs.h"
#include "swarm/orchestrator/reaper.h"
#include "swarm/orchestrator/rebalance.h"
#include "swarm/orchestrator/replicated.h"
#include "swarm/scheduler/scheduler.h"

namespace shoal::swarm {
namespace {

constexpr std::chrono::seconds connect_limit(1);   ///< then another may lead
constexpr std::chrono::seconds leader_patience(5); ///< while there is none
constexpr std::chrono::milliseconds leader_pause(100);

/// What is open of it must not go on: it was removed, or is a manager no more.
bool has_lost_rights(const Change& change) {
    const auto before = change.old_as<pb::Node>();
    const auto after = change.new_as<pb::Node>();
    if (!after) { return true; }
    return before && before->role() == pb::MANAGER && after->role() == pb::WORKER;
}

} // namespace

/// In the order in which they have their say: who ought to be where, then what that takes, then
/// which node.
struct Manager::Parts {
    explicit Parts(const std::string& node_id)
        : statuses(node_id), rebalancer([this](const pb::Task& task, const pb::Node& node) {
              return scheduler.fits(task, node);
          }) {}
    ManagerStatuses statuses;
    CertificateSigner signer;
    RootRotation rotation;
    NetworkKeyRotation network_keys;
    ConstraintEnforcer enforcer;
    ReplicatedOrchestrator replicated;
    GlobalOrchestrator global;
    JobOrchestrator jobs;
    Rebalancer rebalancer;
    TaskReaper reaper;
    Allocator allocator;
    Scheduler scheduler;
};

std::vector<Reconciler*> Manager::reconcilers() {
    auto& p = *parts_;
    return {&p.statuses, &p.signer, &p.rotation,   &p.network_keys, &p.enforcer,  &p.replicated,
            &p.global,   &p.jobs,   &p.rebalancer, &p.reaper,       &p.allocator, &p.scheduler};
}

Manager::Manager(ManagerSeams seams, std::string node_id, std::string cluster_id)
    : seams_(seams), node_id_(std::move(node_id)), cluster_id_(std::move(cluster_id)),
      replica_(seams_.loop, seams_.log, seams_.sealer,
               [this](const std::vector<Change>& changes) { hear(changes); }),
      writer_(seams_.loop, seams_.log, seams_.sealer, replica_, seams_.clock, seams_.random),
      parts_(std::make_unique<Parts>(node_id_)),
      leadership_(seams_.loop, seams_.log, writer_, *this, node_id_),
      membership_(seams_.loop, replica_.store(), seams_.log, writer_, *this),
      roles_(seams_.loop, replica_.store(), seams_.log, writer_, node_id_),
      reach_(seams_.loop, replica_.store(), seams_.transport, writer_, node_id_),
      authority_(seams_.loop, replica_.store(), writer_),
      dispatcher_({seams_.loop, seams_.clock, seams_.random, replica_.store(), writer_, seams_.say},
                  {node_id_, SHOAL_VERSION}),
      broker_(seams_.loop, seams_.random, replica_.store()),
      attachments_(replica_.store(), writer_), server_(seams_.loop, *this),
      connecting_(seams_.loop), unused_(seams_.loop) {
    add_services();
}

Manager::~Manager() = default;

Manager::Use::~Use() {
    if (manager_ != nullptr && --manager_->users_ == 0) { manager_->unused_.wake_all(); }
}

net::Task<void> Manager::drain() {
    gone_.cancel();
    while (users_ > 0) { (void)co_await unused_.wait({}); }
}

net::Task<void> Manager::follow_log(net::Until until) {
    auto outcome = co_await replica_.run(until);
    if (!outcome) {
        broken_ = std::move(outcome).error();
        gone_.cancel();
    }
}

net::Task<Result<void>> Manager::run(net::Until until) {
    net::TaskScope scope(seams_.loop);
    if (until.cancel != nullptr) { scope.cancel().follow(*until.cancel); }
    scope.cancel().follow(gone_);
    const net::Until running(scope.cancel());
    scope.spawn(follow_log(running));
    scope.spawn(follow_leadership(running));
    auto outcome = co_await server_.serve(seams_.transport, running);
    co_await scope.close();
    if (broken_) { co_return *broken_; }
    co_return outcome;
}

net::Task<void> Manager::follow_leadership(net::Until until) {
    const auto outcome = co_await leadership_.run(until);
    (void)outcome;
}

std::vector<mpb::DataKey> Manager::data_keys() const { return seams_.data_keys(); }

std::string Manager::leader_id() const {
    const auto& status = leadership_.status();
    if (!status || status->leader_id.empty()) { return ""; }
    if (status->leads()) { return node_id_; }
    for (const auto& [id, node] : store().all<pb::Node>()) {
        if (node->manager_status().store_member_id() == status->leader_id) { return id; }
    }
    return "";
}

/// A connection to whoever leads now; nothing, after a pause, when there is none.
net::Task<std::shared_ptr<Channel>> Manager::reach_leader(net::Until until) {
    const auto id = leader_id();
    // This manager itself may have come to lead while somebody waited.
    const bool serves = !id.empty() && (id != node_id_ || leads());
    const auto node = serves ? store().get<pb::Node>(id) : nullptr;
    if (node) {
        const std::string& address = node->manager_status().addr();
        const bool usable =
            leader_channel_ && !leader_channel_->ended() && leader_channel_->address() == address;
        if (usable) { co_return leader_channel_; }
        const net::Until limit = until.no_later_than(seams_.loop.in(connect_limit));
        auto made = co_await Channel::connect(seams_.loop, seams_.transport, address,
                                              Trust::Managers, limit);
        if (made && !until.cancelled()) {
            leader_channel_ = std::move(*made);
            co_return leader_channel_;
        }
    }
    co_await net::sleep(seams_.loop, until.no_later_than(seams_.loop.in(leader_pause)));
    co_return nullptr;
}

net::Task<Result<std::shared_ptr<Channel>>> Manager::leader(net::Until until) {
    const net::Until patience = until.no_later_than(seams_.loop.in(leader_patience));
    const auto turn = co_await connecting_.acquire(patience);
    if (!turn) { co_return turn.error(); }
    for (;;) {
        net::Cancel attempt;
        if (until.cancel != nullptr) { attempt.follow(*until.cancel); }
        attempt_ = &attempt;
        auto channel = co_await reach_leader(net::Until(patience.deadline, attempt));
        attempt_ = nullptr;
        if (channel) { co_return channel; }
        if (until.cancelled() || seams_.loop.now() >= patience.deadline.at()) {
            co_return Error{Errc::Unavailable,
                            "The swarm does not have a leader. It's possible that too few managers "
                            "are online. Make sure more than half of the managers are online."};
        }
    }
}

net::Task<Result<void>> Manager::catch_up(net::Until until) {
    const net::Until patience = until.no_later_than(seams_.loop.in(leader_patience));
    for (;;) {
        const auto fence = co_await seams_.log.get(std::string(fence_key), patience);
        if (fence && !*fence) { co_return ok(); }
        if (fence) { co_return co_await replica_.wait_for((*fence)->revision, until); }
        // Another has just begun to lead: a read may be asked again.
        const net::Wake wake =
            co_await net::sleep(seams_.loop, patience.no_later_than(seams_.loop.in(leader_pause)));
        const bool over = seams_.loop.now() >= patience.deadline.at();
        if (wake == net::Wake::Cancelled || over) { co_return fence.error(); }
    }
}

/// After the listing it touches nothing of ours: the node may have left meanwhile.
net::Task<Result<Backup>> Manager::take_backup(net::Until until) {
    Backup made;
    made.info.cluster_id = cluster_id_;
    made.info.made_by = std::string("shoal ") + SHOAL_VERSION;
    made.info.created = seams_.clock.now();
    mpb::KeptKeys secrets; // the data keys alone
    for (auto& key : data_keys()) { *secrets.add_data_keys() = std::move(key); }
    made.secrets = secrets.SerializeAsString();
    CO_TRY_LET(listing, co_await seams_.log.list(RestoreOptions().prefix, until));
    made.info.revision = listing.revision;
    made.entries = std::move(listing.entries);
    co_return made;
}

SecretKey Manager::snapshot_key() const {
    const auto keys = data_keys();
    ASSERT(!keys.empty());
    return SecretKey::of(sha256("shoal: local snapshots\n" + keys.back().key()));
}

bool Manager::is_removed(const std::string& node_id) const {
    const auto cluster = store().cluster();
    return cluster && cluster->blacklisted_certificates().contains(node_id);
}

Role Manager::present_role(const std::string& node_id) const {
    const auto node = store().get<pb::Node>(node_id);
    if (!node) { return Role::None; }
    return node->role() == pb::MANAGER ? Role::Manager : Role::Worker;
}

std::string Manager::trouble() const {
    if (broken_) { return broken_->message; }
    const auto& status = leadership_.status();
    if (!status) { return "the store does not answer"; }
    if (status->leader_id.empty()) {
        return "the managers have no leader: more than half of them have to be online";
    }
    std::string all = writer_.leads() ? writer_.trouble() : "";
    for (const std::string& alarm : status->alarms) {
        if (!all.empty()) { all += "; "; }
        all += alarm == "NOSPACE" ? "the store is full, nothing can be changed until it has room"
                                  : "alarm of the store: " + alarm;
    }
    return all;
}

/// Its own member of the log has a vote and follows somebody.
bool Manager::is_in_log() const {
    const auto& status = leadership_.status();
    return status && !status->learner && !status->leader_id.empty();
}

void Manager::hear(const std::vector<Change>& changes) {
    for (const Change& change : changes) {
        authority_.observe(change);
        dispatcher_.observe(change);
        broker_.observe(change);
        if (change.kind == Kind::Node) { roles_.look(); }
        if (change.kind == Kind::Node && has_lost_rights(change)) { server_.drop(change.id); }
    }
    dispatcher_.flush();
    for (const Told& told : told_) { told(changes); }
}

void Manager::began() {
    office_ = std::make_unique<net::TaskScope>(seams_.loop);
    dispatcher_.begin();
    broker_.begin();
    office_->spawn(roles_.run(net::Until(office_->cancel())));
    office_->spawn(reach_.run(net::Until(office_->cancel())));
}

net::Task<void> Manager::ended() {
    dispatcher_.end();
    broker_.end();
    co_await office_->close();
    office_.reset();
}

/// Whoever waits for the old leader need not wait for its silence to be noticed.
void Manager::leader_changed() {
    if (attempt_ != nullptr) { attempt_->cancel(); }
    if (leader_channel_) { leader_channel_->close(); }
    leader_channel_.reset();
}

Result<std::string> Manager::sign(const std::string& csr, const std::string& node_id,
                                  const std::string& host) {
    const auto cluster = store().cluster();
    if (!cluster) { return internal("the cluster's object is missing"); }
    return issue_store_certificate(store_signer_of(*cluster), csr, node_id, {host},
                                   seams_.clock.now());
}

net::Task<Result<net::StreamPtr>> Manager::open_tunnel(net::Until until) {
    CO_TRY_LET(channel, co_await leader(until));
    CO_TRY_LET(call, channel->open(method_tunnel));
    // The stream keeps the connection.
    struct Held {
        std::shared_ptr<Channel> channel;
        net::GrpcCallPtr call;
    };
    const auto held = std::make_shared<Held>(Held{channel, std::move(call)});
    const std::shared_ptr<net::GrpcCall> shared(held, held->call.get());
    co_return net::make_bytes_stream(seams_.loop, shared, channel->address());
}

/// The stream does not outlive the call: whoever has it is told of the end.
net::Task<Result<void>> Manager::take_tunnel(net::GrpcCall* call, Caller caller, net::Until until) {
    if (!tunnel_) { co_return Error{Errc::Unavailable, "the API is not served yet"}; }
    const auto done = std::make_shared<net::Flag>(seams_.loop);
    std::shared_ptr<net::GrpcCall> borrowed(call, [done](net::GrpcCall*) { done->set(); });
    tunnel_(net::make_bytes_stream(seams_.loop, std::move(borrowed), "manager " + caller.node_id));
    const net::Wake wake = co_await done->wait(until);
    if (wake != net::Wake::Raised) {
        call->cancel(); // which ends the stream, and so its owner's interest
        (void)co_await done->wait({});
    }
    co_return ok();
}

} // namespace shoal::swarm
