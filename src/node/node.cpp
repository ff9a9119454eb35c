#include "node/node.h"

#include "net/pool.h"
#include "net/sleep.h"
#include "node/addresses.h"
#include "node/forwarding.h"
#include "node/log_source.h"
#include "node/snapshots.h"
#include "os/clock.h"
#include "os/file.h"
#include "swarm/ca/authority.h"
#include "swarm/ca/rotation.h"
#include "swarm/ca/token.h"

#include <spdlog/spdlog.h>

namespace shoal::node {
namespace {

using swarm::pb::Cluster;

constexpr std::chrono::seconds begin_limit(60);
constexpr std::chrono::seconds join_limit(20);
constexpr std::chrono::minutes restore_limit(5);
constexpr std::chrono::seconds look_pause(10);
constexpr std::chrono::seconds find_limit(5);

swarm::ClusterActions cluster_actions_with(Random& random) {
    swarm::ClusterActions actions;
    actions.make_token = [&random](swarm::pb::NodeRole, const Cluster& after) {
        return Result<std::string>(swarm::make_token_for(after, random));
    };
    actions.change_unlock_key = [&random](swarm::Tx&, const Cluster&, Cluster& after) {
        swarm::renew_unlock_key(after, random);
        return ok();
    };
    actions.change_root = [](swarm::Tx& tx, const Cluster& before, Cluster& after) {
        return swarm::begin_rotation(before, after, tx.now());
    };
    return actions;
}

swarm::LocalState local_state(swarm::MemberState state) {
    switch (state) {
    case swarm::MemberState::Inactive:
        return swarm::LocalState::Inactive;
    case swarm::MemberState::Pending:
        return swarm::LocalState::Pending;
    case swarm::MemberState::Active:
        return swarm::LocalState::Active;
    case swarm::MemberState::Error:
        return swarm::LocalState::Error;
    case swarm::MemberState::Locked:
        return swarm::LocalState::Locked;
    }
    return swarm::LocalState::Error;
}

/// Takes its time: not on the loop.
Result<std::string> write_whole(swarm::Backup backup, std::string passphrase) {
    os::SystemRandom random;
    std::string bytes;
    const auto take = [&bytes](std::string_view piece) {
        bytes += piece;
        return ok();
    };
    TRY(swarm::write_backup(std::move(backup), swarm::BackupLock(std::move(passphrase)), random,
                            take));
    return bytes;
}

Error no_manager() {
    return Error{Errc::Unavailable, "this manager does not lead the swarm at present"};
}

} // namespace

Result<std::unique_ptr<Node>> Node::create(engine::Engine& engine, NodeSettings settings) {
    TRY(os::ensure_directory(settings.directory, 0700));
    auto memory =
        std::make_unique<swarm::DatabaseTaskMemory>(settings.directory + "/worker/tasks.db");
    return std::unique_ptr<Node>(new Node(engine, std::move(settings), std::move(memory)));
}

Node::Node(engine::Engine& engine, NodeSettings settings, std::unique_ptr<swarm::TaskMemory> memory)
    : engine_(engine), settings_(std::move(settings)), places_(engine),
      attachments_(engine.env.loop, places_),
      executor_(engine,
                ExecutorSettings{settings_.prefer_offline_image,
                                 settings_.directory + "/worker/network_map", &attachments_}),
      memory_(std::move(memory)),
      etcd_(engine.env.loop, settings_.directory + "/store", settings_.etcd_program),
      actions_(cluster_actions_with(engine.env.random)) {
    swarm::MemberSeams seams{
        engine_.env.loop,
        engine_.env.clock,
        engine_.env.random,
        executor_,
        *memory_,
        etcd_,
        [this](swarm::CredentialsPtr held) { return make_transport(std::move(held)); },
        settings_.directory,
        [](std::string line) { spdlog::warn("{}", line); }};
    member_ = std::make_unique<swarm::Member>(std::move(seams));
    member_->on_change([this] {
        follow_manager();
        follow_state();
    });
    places_.use(member_.get());
    engine_.networks.set_attacher(&attachments_);
}

Node::~Node() { engine_.networks.set_attacher(nullptr); }

std::unique_ptr<swarm::Transport> Node::make_transport(swarm::CredentialsPtr credentials) {
    swarm::TlsTransportSettings settings;
    settings.on_refused = [this](const std::string& address, const Error& why) {
        const auto now = engine_.env.loop.now();
        for (const auto& line : refusals_.refused(address, why, now)) { spdlog::warn("{}", line); }
    };
    return std::make_unique<swarm::TlsTransport>(engine_.env.loop, engine_.env.clock,
                                                 std::move(credentials), std::move(settings));
}

void Node::follow_manager() {
    swarm::Manager* const now = member_->manager();
    if (now == followed_) { return; }
    followed_ = now;
    if (now == nullptr) { return; }
    now->subscribe([this](const std::vector<swarm::Change>& changes) {
        if (told_) { told_(changes); }
    });
    now->on_tunnel([this](net::StreamPtr stream) {
        if (tunnel_) { tunnel_(std::move(stream)); }
    });
}

/// The cluster's networks end here when the node leaves, or is told that it is no member.
void Node::follow_state() {
    const bool inside = member_->state() != swarm::MemberState::Inactive;
    const bool left = in_cluster_ && !inside;
    in_cluster_ = inside;
    if (left && upkeep_) { upkeep_->spawn(leave_networks()); }
}

net::Task<void> Node::leave_networks() {
    const auto left = co_await executor_.leave_networks();
    if (!left) { spdlog::warn("swarm: {}", left.error().message); }
}

net::Task<void> Node::start() {
    const auto swept = co_await executor_.sweep();
    if (!swept) { spdlog::warn("swarm: {}", swept.error().message); }
    const auto restored = co_await executor_.restore_networks();
    if (!restored) { spdlog::warn("swarm: networks: {}", restored.error().message); }
    co_await member_->start();
    in_cluster_ = member_->state() != swarm::MemberState::Inactive;
    if (!in_cluster_) {
        co_await leave_networks();
    } // what was left when the daemon ended meanwhile
    attachments_.open();
    upkeep_ = std::make_unique<net::TaskScope>(engine_.env.loop);
    upkeep_->spawn(keep_snapshots(net::Until(upkeep_->cancel())));
    upkeep_->spawn(tell_refusals(net::Until(upkeep_->cancel())));
    upkeep_->spawn(attachments_.tend(net::Until(upkeep_->cancel())));
}

net::Task<void> Node::stop() {
    attachments_.close();
    if (upkeep_) { co_await upkeep_->close(); }
    co_await member_->stop();
    co_await executor_.close();
}

net::Task<Result<void>> Node::snapshot_if_due(net::Until until) {
    if (store() == nullptr) { co_return ok(); }
    const auto now = engine_.env.clock.now();
    auto look = [folder = snapshot_folder()] { return snapshot_names(folder); };
    CO_TRY_LET(names, co_await engine_.env.pool.run_until(std::move(look), until));
    if (!is_snapshot_due(names, now) || store() == nullptr) { co_return ok(); }
    const net::Until limit = until.no_later_than(engine_.env.loop.in(begin_limit));
    const auto key = member_->manager()->snapshot_key();
    CO_TRY_LET(taken, co_await member_->manager()->take_backup(limit));
    auto write = [folder = snapshot_folder(), taken = std::move(taken), key]() mutable {
        return write_snapshot(folder, std::move(taken), key);
    };
    co_return co_await engine_.env.pool.run(std::move(write));
}

net::Task<void> Node::keep_snapshots(net::Until until) {
    std::string said; // each reason once
    while (!until.cancelled()) {
        const auto outcome = co_await snapshot_if_due(until);
        const std::string problem = outcome ? "" : outcome.error().message;
        if (!problem.empty() && problem != said && !until.cancelled()) {
            spdlog::warn("swarm: {}", problem);
        }
        said = problem;
        co_await net::sleep(engine_.env.loop, until.no_later_than(engine_.env.loop.in(look_pause)));
    }
}

/// The counts of floods that have ended.
net::Task<void> Node::tell_refusals(net::Until until) {
    while (!until.cancelled()) {
        co_await net::sleep(engine_.env.loop, until.no_later_than(engine_.env.loop.in(look_pause)));
        const auto now = engine_.env.loop.now();
        for (const auto& line : refusals_.due(now)) { spdlog::warn("{}", line); }
    }
}

swarm::Standing Node::standing() const {
    swarm::Standing out;
    out.state = local_state(member_->state());
    out.error = member_->error();
    if (out.state == swarm::LocalState::Inactive) { return out; }
    out.node_id = member_->node_id();
    out.node_addr = swarm::host_of(member_->address());
    for (const auto& [id, address] : member_->remote_managers()) {
        swarm::pb::Peer peer;
        peer.set_node_id(id);
        peer.set_addr(address);
        out.managers.push_back(std::move(peer));
    }
    out.manager = store() != nullptr;
    out.trouble = trouble();
    out.certificates_expired = member_->certificate_has_expired();
    if (out.certificates_expired && out.error.empty()) {
        out.error = "the certificate of this node has run out; it asks the managers for a new one";
    }
    if (auto info = member_->tls_info()) { out.tls = std::move(*info); }
    return out;
}

std::string Node::trouble() const {
    swarm::Manager* const manager = member_->manager();
    if (manager == nullptr) { return ""; }
    const std::string of_etcd = etcd_.trouble();
    return of_etcd.empty() ? manager->trouble() : of_etcd;
}

/// An answer that nobody leads says why, when this manager is the reason.
Error Node::explain(Error problem) const {
    const std::string why = trouble();
    if (problem.code == Errc::Unavailable && !why.empty()) { problem.message += " (" + why + ")"; }
    return problem;
}

const swarm::Store* Node::store() const {
    swarm::Manager* const manager = member_->manager();
    const bool usable = manager != nullptr && manager->when_loaded().is_set() &&
                        member_->state() == swarm::MemberState::Active;
    return usable ? &manager->store() : nullptr;
}

bool Node::leads() const { return member_->is_manager() && member_->manager()->leads(); }

net::Task<Result<std::int64_t>> Node::submit(swarm::Mutation mutation, net::Until until) {
    if (!member_->is_manager()) { co_return no_manager(); }
    auto written = co_await member_->manager()->writer().submit(std::move(mutation), until);
    if (!written) { co_return explain(std::move(written).error()); }
    co_return written;
}

std::optional<Instant> Node::certificate_ends(const swarm::pb::Node& node) const {
    return swarm::certificate_end(node);
}

net::Task<Result<std::string>> Node::init(swarm::InitRequest request, net::Until until) {
    swarm::MemberInit wish;
    CO_TRY_LET(places, resolve_addresses(request.listen_addr, request.advertise_addr,
                                         request.data_path_addr));
    wish.listen_address = places.listen;
    wish.advertise_address = places.advertise;
    wish.data_path_address = places.data_path;
    wish.data_path_port = request.data_path_port;
    wish.default_address_pools = std::move(request.address_pools);
    wish.subnet_size = request.subnet_size;
    wish.spec = std::move(request.spec);
    wish.availability = request.availability;
    wish.force_new_cluster = request.force_new_cluster;
    const net::Until limit = until.no_later_than(engine_.env.loop.in(begin_limit));
    co_return co_await member_->init(std::move(wish), limit);
}

net::Task<Result<void>> Node::join(swarm::JoinRequest request, net::Until until) {
    swarm::MemberJoin wish;
    CO_TRY_LET(remotes, with_default_port(request.remote_addrs));
    const net::Until limit = until.no_later_than(engine_.env.loop.in(join_limit));
    // A manager may be given by name: that can take the resolver's time.
    auto resolve = [listen = request.listen_addr, advertise = request.advertise_addr,
                    data_path = request.data_path_addr, remote = remotes.front()] {
        return resolve_joiner(listen, advertise, data_path, remote);
    };
    CO_TRY_LET(places, co_await engine_.env.pool.run_until(std::move(resolve), limit));
    wish.remote_addresses = std::move(remotes);
    wish.token = std::move(request.join_token);
    wish.listen_address = places.listen;
    wish.advertise_address = places.advertise;
    wish.data_path_address = places.data_path;
    wish.availability = request.availability;
    co_return co_await member_->join(std::move(wish), limit);
}

net::Task<Result<void>> Node::leave(bool force, net::Until until) {
    CO_TRY(co_await member_->leave(force, until));
    auto job = [folder = snapshot_folder()] { return os::remove_tree(folder); };
    auto removed = co_await engine_.env.pool.run(std::move(job)); // nobody can read them any more
    if (!removed) { spdlog::warn("swarm: {}", removed.error().message); }
    co_return ok();
}

net::Task<Result<void>> Node::unlock(std::string key, net::Until until) {
    co_return co_await member_->unlock(std::move(key), until);
}

net::Task<Result<std::string>> Node::unlock_key(net::Until) {
    const swarm::Store* const state = store();
    if (state == nullptr || !state->cluster()) { co_return no_manager(); }
    const auto key = swarm::unlock_key_of(*state->cluster());
    co_return key.empty() ? std::string() : swarm::print_unlock_key(key);
}

net::Task<Result<std::string>> Node::backup(std::string passphrase, net::Until until) {
    if (!member_->is_manager()) { co_return no_manager(); }
    CO_TRY_LET(taken, co_await member_->manager()->take_backup(until));
    auto job = [taken = std::move(taken), key = std::move(passphrase)]() mutable {
        return write_whole(std::move(taken), std::move(key));
    };
    co_return co_await engine_.env.pool.run_until(std::move(job), until);
}

net::Task<Result<std::string>> Node::restore(swarm::RestoreRequest request, net::Until until) {
    swarm::MemberRestore wish;
    CO_TRY_LET(places, resolve_addresses(request.listen_addr, request.advertise_addr,
                                         request.data_path_addr));
    wish.listen_address = places.listen;
    wish.advertise_address = places.advertise;
    wish.data_path_address = places.data_path;
    auto job = [bytes = std::move(request.backup), key = std::move(request.passphrase)] {
        return swarm::read_backup(bytes, swarm::BackupLock(key));
    };
    CO_TRY_LET(backup, co_await engine_.env.pool.run_until(std::move(job), until));
    wish.backup = std::move(backup);
    const net::Until limit = until.no_later_than(engine_.env.loop.in(restore_limit));
    co_return co_await member_->restore(std::move(wish), limit);
}

net::Task<Result<swarm::pb::Network>> Node::find_network(std::string ref, net::Until until) {
    const net::Until limit = until.no_later_than(engine_.env.loop.in(find_limit));
    co_return co_await places_.find(std::move(ref), limit);
}

net::Task<Result<std::unique_ptr<swarm::ForwardedAnswer>>>
Node::forward(swarm::ForwardedRequest request, net::Until until) {
    if (!member_->is_manager()) { co_return no_manager(); }
    auto answer =
        co_await forward_request(engine_.env.loop, *member_->manager(), std::move(request), until);
    if (!answer) { co_return explain(std::move(answer).error()); }
    co_return answer;
}

net::Task<Result<std::unique_ptr<swarm::LogSource>>>
Node::open_logs(swarm::pb::LogSelector selector, swarm::pb::LogSubscriptionOptions options,
                net::Until) {
    if (!leads()) { co_return no_manager(); }
    co_return make_log_source(engine_.env.loop, *member_->manager(), std::move(selector),
                              std::move(options));
}

} // namespace shoal::node
