// The part of Member that begins: a new cluster, a forced one, a place in one that exists.
#include "swarm/allocator/predefined.h"
#include "swarm/ca/certificate.h"
#include "swarm/ca/founding.h"
#include "swarm/ca/join.h"
#include "swarm/member/member.h"

#include "net/sleep.h"

namespace shoal::swarm {
namespace {

constexpr std::chrono::milliseconds look_pause(20);
constexpr std::chrono::seconds lead_limit(30);
constexpr std::chrono::seconds ready_limit(20);
constexpr std::chrono::milliseconds arrive_look(20);

constexpr auto already_member =
    "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join "
    "another one.";

/// The first content of a new cluster.
Result<void> put_first(Tx& tx, const pb::Cluster& cluster, const pb::Node& node) {
    tx.put(cluster);
    tx.put(node);
    ensure_predefined(tx);
    return ok();
}

/// Of several managers this one is left.
Result<void> stay_alone(Tx& tx, const pb::Node& self) {
    std::vector<NodePtr> others;
    for (const auto& [id, node] : tx.store().all<pb::Node>()) {
        const bool manager =
            node->role() == pb::MANAGER || node->spec().desired_role() == pb::MANAGER;
        if (id != self.id() && manager) { others.push_back(node); }
    }
    for (const NodePtr& other : others) {
        pb::Node node = *other;
        node.mutable_spec()->set_desired_role(pb::WORKER);
        node.set_role(pb::WORKER);
        node.clear_manager_status();
        tx.put(std::move(node));
    }
    const auto held = tx.store().get<pb::Node>(self.id());
    if (!held) { return internal("this node is not in the cluster's store"); }
    pb::Node node = *held;
    *node.mutable_manager_status() = self.manager_status();
    tx.put(std::move(node));
    return ok();
}

Result<void> put_again(Tx& tx, const pb::Node& node) {
    tx.put(node);
    return stay_alone(tx, node);
}

Result<std::vector<mpb::DataKey>> keys_in_backup(const Backup& backup) {
    mpb::KeptKeys secrets;
    const bool parsed = secrets.ParseFromString(backup.secrets);
    if (!parsed || secrets.data_keys().empty()) {
        return invalid("back-up: it has no keys of the cluster's store");
    }
    return std::vector<mpb::DataKey>(secrets.data_keys().begin(), secrets.data_keys().end());
}

Result<pb::Cluster> cluster_in_backup(const Backup& backup,
                                      const std::vector<mpb::DataKey>& data_keys) {
    TRY_LET(keys, DataKeys::decode(data_keys.back().key()));
    for (const LogEntry& entry : backup.entries) {
        const auto name = parse_object_key(entry.key);
        if (!name || name->kind != Kind::Cluster) { continue; }
        TRY_LET(plain, keys.open(entry.key, entry.value));
        TRY_LET(object, decode_object(Kind::Cluster, plain, 0));
        const auto* cluster = std::get_if<ClusterPtr>(&object);
        if (cluster != nullptr && *cluster) { return **cluster; }
    }
    return invalid("back-up: there is no cluster in it");
}

} // namespace

net::Task<Result<void>> Member::submit_when_leading(Mutation mutation, net::Until until) {
    const net::Until limit = until.no_later_than(seams_.loop.in(lead_limit));
    while (!manager_->leads()) {
        const net::Wake wake =
            co_await net::sleep(seams_.loop, limit.no_later_than(seams_.loop.in(look_pause)));
        if (state_ == MemberState::Error) { co_return internal(error_); }
        if (wake == net::Wake::Cancelled || seams_.loop.now() >= limit.deadline.at()) {
            co_return Error{Errc::Timeout, "the store did not choose this node as its leader: " +
                                               manager_->trouble()};
        }
    }
    CO_TRY(co_await manager_->writer().submit(std::move(mutation), limit));
    co_return ok();
}

/// A cluster with this node as its only manager: a new one, or one that was lost.
struct Member::Founding {
    pb::Cluster cluster;
    std::vector<mpb::DataKey> data_keys;
    std::optional<Backup> content; ///< what the log holds from the beginning
    pb::NodeSpec::Availability availability = pb::NodeSpec::ACTIVE;
};

Result<void> Member::keep_first_keys(const Founding& founding, const FirstManager& first) {
    ManagerKeys secrets;
    secrets.data_keys = founding.data_keys;
    secrets.store_ca_cert = first.store_ca_cert;
    secrets.store_cert = first.store_cert;
    secrets.store_key = first.store_key;
    TRY(keys_->save(first.credentials));
    TRY(keys_->save(std::move(secrets)));
    return keys_->use_unlock_key(unlock_key_of(founding.cluster), 1);
}

/// Where this node is has been saved_ already.
net::Task<Result<void>> Member::begin_alone(Founding founding, net::Until until) {
    const pb::Cluster& cluster = founding.cluster;
    saved_.node_id = make_id(seams_.random);
    saved_.cluster_id = cluster.id();
    saved_.peer_listen_address = peer_address_of(saved_.listen_address);
    saved_.peer_url = "https://" + peer_address_of(saved_.advertise_address);
    saved_.heartbeat_ms = cluster.spec().store_timing().heartbeat_ms();
    saved_.election_ms = cluster.spec().store_timing().election_ms();
    saved_.snapshot_interval = cluster.spec().raft().snapshot_interval();
    saved_.managers = {{saved_.node_id, saved_.advertise_address}};
    saved_.restoring = founding.content.has_value();
    const std::vector<std::string> hosts{host_of(saved_.advertise_address)};
    const Instant now = seams_.clock.now();
    CO_TRY_LET(first, make_first_manager(cluster, saved_.node_id, hosts, now));
    first.node.mutable_spec()->set_availability(founding.availability);

    CO_TRY(keep_first_keys(founding, first));
    CO_TRY(save());
    CO_TRY_LET(credentials, Credentials::create(first.credentials));
    credentials_ = std::move(credentials);

    CO_TRY(seams_.log_host.erase());
    LogStart how = log_start(LogStart::How::New);
    const bool again = founding.content.has_value();
    if (again) {
        Backup content = std::move(*founding.content);
        CO_TRY(co_await start_restored(std::move(how), std::move(content), until));
    } else {
        CO_TRY(co_await start_manager(std::move(how), until));
    }
    CO_TRY_LET(member_id, co_await own_member_id(until));
    auto& status = *first.node.mutable_manager_status();
    status.set_addr(saved_.advertise_address);
    status.set_store_member_id(member_id);
    status.set_store_peer_address(peer_address_of(saved_.advertise_address));
    const Mutation begin = [cluster, again, node = first.node](Tx& tx) {
        return again ? put_again(tx, node) : put_first(tx, cluster, node);
    };
    CO_TRY(co_await submit_when_leading(begin, until));
    saved_.restoring = false; // from here on a restart takes it up
    CO_TRY(save());
    plan_next_renewal();
    start_agent();
    set_state(MemberState::Active);
    co_await wait_to_be_ready(until);
    co_return ok();
}

net::Task<Result<void>> Member::found_cluster(MemberInit request, net::Until until) {
    NewCluster wanted{make_id(seams_.random), std::move(request.spec),
                      std::move(request.default_address_pools), request.subnet_size,
                      request.data_path_port};
    Founding founding;
    CO_TRY_LET(cluster, make_cluster(std::move(wanted), seams_.clock.now(), seams_.random));
    founding.cluster = std::move(cluster);
    mpb::DataKey data_key;
    data_key.set_key(DataKeys::make(seams_.random).encode());
    founding.data_keys.push_back(std::move(data_key));
    founding.availability = request.availability;
    saved_ = {};
    saved_.listen_address = request.listen_address;
    saved_.advertise_address = request.advertise_address;
    saved_.data_path_address = request.data_path_address;
    saved_.data_path_port = request.data_path_port;
    co_return co_await begin_alone(std::move(founding), until);
}

net::Task<Result<void>> Member::found_again(MemberRestore request, net::Until until) {
    Founding founding;
    CO_TRY_LET(data_keys, keys_in_backup(request.backup));
    founding.data_keys = std::move(data_keys);
    CO_TRY_LET(cluster, cluster_in_backup(request.backup, founding.data_keys));
    founding.cluster = std::move(cluster);
    founding.content = std::move(request.backup);
    saved_ = {};
    saved_.listen_address = request.listen_address;
    saved_.advertise_address = request.advertise_address;
    saved_.data_path_address = request.data_path_address;
    saved_.data_path_port = founding.cluster.vxlanudpport();
    co_return co_await begin_alone(std::move(founding), until);
}

/// What a crash left of a restoration: nothing of it can be used.
net::Task<void> Member::abandon_restoration() {
    seams_.log("swarm: the restoration of a back-up was interrupted; restore it again");
    const net::Until until(seams_.loop.in(lead_limit));
    const auto taken_over = co_await seams_.log_host.start(log_start(LogStart::How::Again), until);
    (void)taken_over; // what still runs is ended with the rest
    const auto forgotten = co_await forget();
    if (!forgotten) { seams_.log("swarm: " + forgotten.error().message); }
}

net::Task<Result<std::string>> Member::own_member_id(net::Until until) {
    for (;;) {
        const auto& status = manager_->log_status();
        if (status && !status->member_id.empty()) { co_return status->member_id; }
        const net::Wake wake =
            co_await net::sleep(seams_.loop, until.no_later_than(seams_.loop.in(look_pause)));
        if (wake == net::Wake::Cancelled || seams_.loop.now() >= until.deadline.at()) {
            co_return Error{Errc::Timeout, "the store does not answer"};
        }
    }
}

bool Member::is_ready() const {
    if (!manager_ || !agent_ || !agent_->state().in_session) { return false; }
    const auto self = manager_->store().get<pb::Node>(saved_.node_id);
    return self && self->status().state() == pb::NodeStatus::READY;
}

/// Who is answered finds a node that takes tasks. A manager in whose cluster this takes long is one
/// all the same.
net::Task<void> Member::wait_to_be_ready(net::Until until) {
    const net::Until limit = until.no_later_than(seams_.loop.in(ready_limit));
    while (state_ == MemberState::Active && !is_ready()) {
        const net::Wake wake =
            co_await net::sleep(seams_.loop, limit.no_later_than(seams_.loop.in(look_pause)));
        if (wake == net::Wake::Cancelled || seams_.loop.now() >= limit.deadline.at()) { co_return; }
    }
}

bool Member::may_be_forced() const {
    return credentials_ && certificate_role() == Role::Manager && seams_.log_host.has_data();
}

/// The address may be another than before: who joins is told where its member is, and believes only
/// a certificate for that.
net::Task<Result<void>> Member::move_own_member(std::string member_id, net::Until until) {
    CO_TRY(co_await log_->set_peer_url(std::move(member_id), saved_.peer_url, until));
    const auto cluster = manager_->store().cluster();
    if (!cluster) { co_return internal("the cluster's object is missing"); }
    CO_TRY_LET(own, make_request());
    const std::vector<std::string> hosts{host_of(saved_.advertise_address)};
    CO_TRY_LET(certificate, issue_store_certificate(store_signer_of(*cluster), own.request,
                                                    saved_.node_id, hosts, seams_.clock.now()));
    ManagerKeys keys = keys_->manager_keys();
    keys.store_cert = std::move(certificate);
    keys.store_key = std::move(own.key);
    CO_TRY(keys_->save(std::move(keys)));
    co_return seams_.log_host.use_certificates(log_start(LogStart::How::Again));
}

net::Task<Result<void>> Member::force_new_cluster(MemberInit request, net::Until until) {
    if (join_scope_) { co_await join_scope_->close(); }
    co_await stop_trying();
    set_state(MemberState::Pending);
    co_await stop_agent();
    co_await stop_manager();
    if (!request.advertise_address.empty()) {
        saved_.advertise_address = request.advertise_address;
        saved_.peer_url = "https://" + peer_address_of(saved_.advertise_address);
    }
    if (!request.listen_address.empty()) {
        saved_.listen_address = request.listen_address;
        saved_.peer_listen_address = peer_address_of(saved_.listen_address);
    }
    saved_.managers = {{saved_.node_id, saved_.advertise_address}};
    CO_TRY(save());
    CO_TRY(co_await start_manager(log_start(LogStart::How::ForceNew), until));
    CO_TRY_LET(member_id, co_await own_member_id(until));
    pb::Node self;
    self.set_id(saved_.node_id);
    self.mutable_manager_status()->set_addr(saved_.advertise_address);
    self.mutable_manager_status()->set_store_member_id(member_id);
    self.mutable_manager_status()->set_store_peer_address(
        peer_address_of(saved_.advertise_address));
    const Mutation alone = [self](Tx& tx) { return stay_alone(tx, self); };
    CO_TRY(co_await submit_when_leading(alone, until));
    CO_TRY(co_await move_own_member(member_id, until));
    plan_next_renewal();
    start_agent();
    set_state(MemberState::Active);
    co_await wait_to_be_ready(until);
    co_return ok();
}

net::Task<Result<std::string>> Member::init(MemberInit request, net::Until until) {
    CO_TRY_LET(turn, co_await changing_.acquire(until));
    (void)turn;
    const bool force = request.force_new_cluster;
    if (state_ == MemberState::Locked) { co_return Error{Errc::Unavailable, swarm_locked}; }
    if (state_ != MemberState::Inactive && !force) {
        co_return Error{Errc::Unavailable, already_member};
    }
    if (state_ != MemberState::Inactive && !may_be_forced()) {
        co_return Error{Errc::Unavailable,
                        "a new cluster can only be forced on a node that was a manager"};
    }
    if (state_ != MemberState::Inactive) {
        auto forced = co_await force_new_cluster(std::move(request), until);
        if (!forced) { set_state(MemberState::Error, forced.error().message); }
        if (!forced) { co_return forced.error(); }
        co_return saved_.node_id;
    }
    set_state(MemberState::Pending);
    auto founded = co_await found_cluster(std::move(request), until);
    if (founded) { co_return saved_.node_id; }
    const auto forgotten = co_await forget();
    (void)forgotten; // what went wrong first says more
    co_return founded.error();
}

net::Task<Result<std::string>> Member::restore(MemberRestore request, net::Until until) {
    CO_TRY_LET(turn, co_await changing_.acquire(until));
    (void)turn;
    if (state_ == MemberState::Locked) { co_return Error{Errc::Unavailable, swarm_locked}; }
    if (state_ != MemberState::Inactive) { co_return Error{Errc::Unavailable, already_member}; }
    set_state(MemberState::Pending);
    auto founded = co_await found_again(std::move(request), until);
    if (founded) { co_return saved_.node_id; }
    const auto forgotten = co_await forget();
    (void)forgotten; // what went wrong first says more
    co_return founded.error();
}

/// Gets the first certificate and remembers it; what follows is take_up().
net::Task<Result<void>> Member::enter_cluster(MemberJoin request, net::Until until) {
    CO_TRY_LET(nothing, Credentials::create(NodeCredentials()));
    credentials_ = std::move(nothing);
    const auto transport = seams_.make_transport(credentials_);
    const JoinSeams seams{seams_.loop, seams_.clock, *transport, *credentials_};
    JoinWish wish{request.remote_addresses, request.token, request.availability};
    CO_TRY_LET(admitted, co_await join_cluster(seams, std::move(wish), until));
    saved_ = {};
    saved_.node_id = admitted.identity.node_id;
    saved_.cluster_id = admitted.identity.cluster_id;
    saved_.listen_address = request.listen_address;
    saved_.advertise_address = request.advertise_address;
    saved_.data_path_address = request.data_path_address;
    saved_.managers = {{"", admitted.address}};
    CO_TRY(seams_.log_host.erase());
    CO_TRY(keys_->save(admitted.credentials));
    CO_TRY(save());
    co_return ok();
}

/// A worker is in when it has a session; a manager when its store is there too, and the others
/// count on it.
bool Member::has_arrived() const {
    if (!agent_ || !agent_->state().in_session) { return false; }
    if (certificate_role() != Role::Manager) { return true; }
    if (!manager_ || !manager_->when_loaded().is_set()) { return false; }
    const auto node = manager_->store().get<pb::Node>(saved_.node_id);
    return node && node->manager_status().reachability() == pb::RaftMemberStatus::REACHABLE;
}

net::Task<void> Member::join_in_background(MemberJoin request) {
    const net::Until until(join_scope_->cancel());
    auto entered = co_await enter_cluster(std::move(request), until);
    const bool admitted = entered.has_value();
    if (entered) { entered = co_await take_up(until); }
    if (!entered) { join_error_ = entered.error(); }
    if (!entered && nobody_waits_ && !until.cancelled()) {
        admitted ? try_again_later(entered.error())
                 : set_state(MemberState::Error, entered.error().message);
    }
    moved_.wake_all();
}

net::Task<Result<void>> Member::join(MemberJoin request, net::Until until) {
    CO_TRY_LET(turn, co_await changing_.acquire(until));
    if (state_ == MemberState::Locked) { co_return Error{Errc::Unavailable, swarm_locked}; }
    if (state_ != MemberState::Inactive) { co_return Error{Errc::Unavailable, already_member}; }
    set_state(MemberState::Pending);
    join_error_.reset();
    nobody_waits_ = false;
    join_scope_ = std::make_unique<net::TaskScope>(seams_.loop);
    join_scope_->spawn(join_in_background(std::move(request)));
    turn.release(); // the role's changes need it
    while (!join_error_ && !has_arrived()) {
        const net::Wake wake =
            co_await moved_.wait(until.no_later_than(seams_.loop.in(arrive_look)));
        if (wake == net::Wake::Cancelled || seams_.loop.now() >= until.deadline.at()) {
            nobody_waits_ = true;
            co_return Error{Errc::Timeout,
                            "Timeout was reached before node joined. The attempt to join the swarm "
                            "will continue in the background. Use the \"docker info\" command to "
                            "see the current swarm status of your node."};
        }
    }
    if (!join_error_) { co_return ok(); }
    auto again = co_await changing_.acquire();
    const Error problem = *join_error_;
    const auto forgotten = co_await forget();
    (void)forgotten; // what went wrong first says more
    co_return problem;
}

} // namespace shoal::swarm
