#include "swarm/member/member.h"

#include "swarm/ca/certificate.h"
#include "swarm/ca/token.h"

#include "base/text.h"
#include "net/sleep.h"
#include "os/file.h"

namespace shoal::swarm {
namespace {

constexpr std::chrono::seconds step_limit(30);
/// A daemon that is stopped in order comes back within this, or its tasks go elsewhere.
constexpr std::chrono::seconds restart_patience(30);
constexpr std::chrono::seconds retry_pause(1);
constexpr std::chrono::seconds retry_pause_max(30);
/// A role that was kept so long had been taken up well.
constexpr std::chrono::seconds good_while(60);
constexpr std::chrono::seconds look_pause(30);
/// Managers look whether they have been removed from the log.
constexpr std::chrono::seconds manager_look_pause(2);
constexpr int peer_port_default = 2378;

constexpr auto not_a_member = "This node is not part of a swarm";
constexpr auto way_out = " - what this node knew of its swarm cannot be read. Run \"docker swarm "
                         "leave --force\" here and let it join again";

} // namespace

std::string_view name_of(MemberState state) {
    switch (state) {
    case MemberState::Inactive:
        return "inactive";
    case MemberState::Pending:
        return "pending";
    case MemberState::Active:
        return "active";
    case MemberState::Error:
        return "error";
    case MemberState::Locked:
        return "locked";
    }
    return "";
}

std::string peer_address_of(const std::string& address) {
    const auto colon = address.rfind(':');
    const auto port = parse_number<std::uint16_t>(address.substr(colon + 1));
    return address.substr(0, colon + 1) + std::to_string(port ? *port + 1 : peer_port_default);
}

std::chrono::seconds retry_pause_after(int failures) {
    constexpr int doublings_max = 5; // more than enough
    return std::min(retry_pause_max,
                    retry_pause * (1 << std::clamp(failures - 1, 0, doublings_max)));
}

std::string leave_warning(const Manager& manager) {
    std::size_t managers = 0;
    for (const auto& [id, node] : manager.store().all<pb::Node>()) {
        managers += node->role() == pb::MANAGER ? 1 : 0;
    }
    std::string text = "You are attempting to leave the swarm on a node that is participating as a "
                       "manager. ";
    if (managers <= 1) {
        text += "Removing the last manager erases all current state of the swarm. Use `--force` to "
                "ignore this message. ";
    } else {
        text += "Removing this node leaves " + std::to_string(managers - 1) + " managers out of " +
                std::to_string(managers) +
                ". The only way to restore a swarm that has lost consensus is to reinitialize it "
                "with `--force-new-cluster`. Use `--force` to suppress this message.";
    }
    return text;
}

Member::Member(MemberSeams seams)
    : seams_(std::move(seams)), look_(seams_.loop), moved_(seams_.loop), changing_(seams_.loop) {}

Member::~Member() = default;

void Member::set_state(MemberState state, std::string error) {
    state_ = state;
    error_ = std::move(error);
    if (!error_.empty()) { seams_.log("swarm: " + error_); }
    moved_.wake_all();
    if (changed_) { changed_(); }
}

Result<void> Member::save() const { return save_member(seams_.directory, saved_); }

Role Member::certificate_role() const {
    const auto& identity = credentials_->identity();
    return identity ? identity->role : Role::None;
}

std::vector<std::pair<std::string, std::string>> Member::remote_managers() const {
    return saved_.managers;
}

bool Member::certificate_has_expired() const {
    return credentials_ && credentials_->identity() &&
           credentials_->identity()->not_after < seams_.clock.now();
}

Result<pb::NodeTLSInfo> Member::tls_info() const {
    if (!credentials_) { return invalid("not part of a cluster"); }
    const auto& held = credentials_->held();
    return tls_info_of(held.certificate, held.roots, seams_.clock.now());
}

// The parts of a role.

void Member::start_agent() {
    Agent::Settings settings;
    settings.session.node_id = saved_.node_id;
    settings.session.shoal_version = SHOAL_VERSION;
    settings.session.data_path_address = saved_.data_path_address;
    settings.session.absence = restart_patience;
    Agent::Hooks hooks;
    hooks.tls_info = [this] {
        auto info = tls_info();
        return info ? std::move(*info) : pb::NodeTLSInfo();
    };
    hooks.node = [this](const pb::Node& node) { heard_of_node(node); };
    hooks.managers = [this](const std::vector<pb::Peer>& all) { heard_of_managers(all); };
    hooks.root_ca = [this](const std::string& root) { heard_of_root(root); };
    transport_ = seams_.make_transport(credentials_);
    const Agent::Parts parts{seams_.loop, seams_.clock,    seams_.random,
                             *transport_, seams_.executor, seams_.memory};
    agent_ = std::make_unique<Agent>(parts, std::move(hooks), settings);
    for (const auto& [id, address] : saved_.managers) { agent_->add_manager(address); }
    agent_scope_ = std::make_unique<net::TaskScope>(seams_.loop);
    agent_scope_->spawn(run_agent());
    agent_scope_->spawn(keep_role());
}

net::Task<void> Member::run_agent() {
    const auto outcome = co_await agent_->run(net::Until(agent_scope_->cancel()));
    if (!outcome && !agent_scope_->cancel().cancelled()) { try_again_later(outcome.error()); }
}

net::Task<void> Member::stop_agent() {
    if (agent_scope_) { co_await agent_scope_->close(); }
    agent_.reset();
    agent_scope_.reset();
    transport_.reset();
}

LogStart Member::log_start(LogStart::How how) const {
    const ManagerKeys& keys = keys_->manager_keys();
    LogStart start;
    start.how = how;
    start.name = saved_.node_id;
    start.peer_url = saved_.peer_url;
    start.listen_address = saved_.peer_listen_address;
    start.ca_cert = keys.store_ca_cert;
    start.cert = keys.store_cert;
    start.key = keys.store_key;
    start.heartbeat_ms = saved_.heartbeat_ms;
    start.election_ms = saved_.election_ms;
    start.snapshot_interval = saved_.snapshot_interval;
    return start;
}

net::Task<Result<void>> Member::start_manager(LogStart how, net::Until until) {
    auto transport = seams_.make_transport(credentials_);
    CO_TRY(transport->listen(saved_.listen_address).with("listen on " + saved_.listen_address));
    CO_TRY_LET(log, co_await seams_.log_host.start(std::move(how), until));
    co_return serve_as_manager(log, std::move(transport));
}

/// The content is whole before anybody writes or reads.
net::Task<Result<void>> Member::start_restored(LogStart how, Backup content, net::Until until) {
    auto transport = seams_.make_transport(credentials_);
    CO_TRY(transport->listen(saved_.listen_address).with("listen on " + saved_.listen_address));
    CO_TRY_LET(log, co_await seams_.log_host.start(std::move(how), until));
    RestoreOptions options;
    options.leave_out.emplace_back(fence_key); // of a leader that is no more
    CO_TRY(co_await restore_backup(*log, std::move(content), std::move(options), until));
    co_return serve_as_manager(log, std::move(transport));
}

Result<void> Member::serve_as_manager(Log* log, std::unique_ptr<Transport> transport) {
    const auto& data_keys = keys_->manager_keys().data_keys;
    if (data_keys.empty()) { return internal("the keys of the cluster's store are missing"); }
    TRY_LET(keys, DataKeys::decode(data_keys.back().key()));
    server_transport_ = std::move(transport);
    log_ = log;
    has_turn_ = true; // from before a crash; the first look clears that up
    log_is_due_ = false;
    quiet_looks_ = 0;
    sealer_ = std::make_unique<KeysSealer>(std::move(keys), seams_.random);
    const auto held_keys = [this] { return keys_->manager_keys().data_keys; };
    ManagerSeams seams{seams_.loop, seams_.clock, seams_.random,      *log,
                       *sealer_,    held_keys,    *server_transport_, seams_.log};
    manager_ = std::make_unique<Manager>(std::move(seams), saved_.node_id, saved_.cluster_id);
    manager_->subscribe([this](const std::vector<Change>& all) { heard_of_changes(all); });
    manager_scope_ = std::make_unique<net::TaskScope>(seams_.loop);
    manager_scope_->spawn(run_manager());
    manager_scope_->spawn(seams_.log_host.tend(net::Until(manager_scope_->cancel())));
    moved_.wake_all();
    if (changed_) { changed_(); }
    return ok();
}

net::Task<void> Member::run_manager() {
    const auto outcome = co_await manager_->run(net::Until(manager_scope_->cancel()));
    if (!outcome && !manager_scope_->cancel().cancelled()) { try_again_later(outcome.error()); }
}

net::Task<void> Member::stop_manager() {
    if (manager_) { co_await manager_->drain(); }
    if (manager_scope_) { co_await manager_scope_->close(); }
    manager_.reset();
    log_ = nullptr;
    manager_scope_.reset();
    if (server_transport_) { server_transport_->close(); }
    server_transport_.reset();
    co_await seams_.log_host.stop();
    sealer_.reset();
    if (changed_) { changed_(); }
}

// Life.

net::Task<Result<void>> Member::take_up(net::Until until) {
    CO_TRY_LET(credentials, Credentials::create(keys_->credentials()));
    credentials_ = std::move(credentials);
    const bool was_manager = certificate_role() == Role::Manager && seams_.log_host.has_data();
    if (was_manager) {
        const net::Until limit = until.no_later_than(seams_.loop.in(step_limit));
        const auto begun = co_await start_manager(log_start(LogStart::How::Again), limit);
        // The managers that are left say what this node is now (adjust_role()).
        const bool removed = !begun && begun.error().code == Errc::Forbidden;
        if (!begun && !removed) { co_return begun; }
        if (removed) { seams_.log("swarm: " + begun.error().message); }
    }
    plan_next_renewal();
    start_agent();
    taken_up_ = seams_.loop.now();
    set_state(MemberState::Active);
    co_return ok();
}

/// Whoever stops or begins anew ends it with stop_trying().
void Member::try_again_later(const Error& why) {
    set_state(MemberState::Error, why.message);
    if (retry_scope_ && retry_scope_->size() > 0) { return; }
    if (seams_.loop.now() - taken_up_ > good_while) { failures_ = 0; }
    retry_scope_ = std::make_unique<net::TaskScope>(seams_.loop);
    retry_scope_->spawn(keep_trying(net::Until(retry_scope_->cancel())));
}

net::Task<void> Member::keep_trying(net::Until until) {
    for (;;) {
        const auto pause = retry_pause_after(++failures_);
        (void)co_await net::sleep(seams_.loop, until.no_later_than(seams_.loop.in(pause)));
        if (until.cancelled()) { co_return; }
        const auto outcome = co_await try_again(until);
        if (outcome || until.cancelled()) { co_return; }
        const std::string why = outcome.error().message;
        if (why != error_) { set_state(MemberState::Error, why); } // each is logged once
    }
}

net::Task<Result<void>> Member::try_again(net::Until until) {
    const auto turn = co_await changing_.acquire(until);
    if (!turn) { co_return turn.error(); }
    if (state_ != MemberState::Error) { co_return ok(); }
    co_await stop_agent();
    co_await stop_manager(); // what had begun before it failed
    CO_TRY(co_await take_up(until));
    seams_.log("swarm: this node takes part again");
    co_return ok();
}

net::Task<void> Member::stop_trying() {
    const auto scope = std::move(retry_scope_); // meanwhile there may be a new one
    if (scope) { co_await scope->close(); }
}

net::Task<void> Member::start() {
    const auto turn = co_await changing_.acquire();
    auto saved = load_member(seams_.directory);
    auto keys = KeyFile::load(seams_.directory + "/certificates", seams_.random);
    if (keys) { keys_ = std::move(*keys); }
    if (!saved) { co_return set_state(MemberState::Error, saved.error().message + way_out); }
    saved_ = std::move(*saved);
    if (!keys) { co_return set_state(MemberState::Error, keys.error().message + way_out); }
    if (saved_.restoring) { co_return co_await abandon_restoration(); }
    if (saved_.empty() || keys_->empty()) { co_return; }
    if (keys_->locked()) { co_return set_state(MemberState::Locked); }
    const net::Until never;
    const auto outcome = co_await take_up(never);
    if (!outcome) { try_again_later(outcome.error()); }
}

net::Task<void> Member::stop() {
    if (join_scope_) { co_await join_scope_->close(); }
    co_await stop_trying();
    const auto turn = co_await changing_.acquire();
    co_await stop_agent();
    co_await stop_manager();
}

net::Task<Result<void>> Member::unlock(std::string key, net::Until until) {
    CO_TRY_LET(turn, co_await changing_.acquire(until));
    (void)turn;
    if (!keys_ || keys_->empty()) { co_return Error{Errc::Unavailable, not_a_member}; }
    CO_TRY_LET(raw, parse_unlock_key(key));
    CO_TRY(keys_->unlock(raw));
    const net::Until never; // whoever asks may go
    auto outcome = co_await take_up(never);
    if (!outcome) { try_again_later(outcome.error()); }
    co_return outcome;
}

net::Task<Result<void>> Member::forget() {
    co_await stop_agent();
    co_await stop_manager();
    co_await seams_.log_host.end_left_over();
    ErrorList errors;
    errors.add(seams_.log_host.erase());
    if (keys_) { errors.add(keys_->erase()); }
    if (!keys_) { errors.add(os::remove_tree(seams_.directory + "/certificates")); } // unreadable
    errors.add(forget_member(seams_.directory));
    auto tasks = seams_.memory.load();
    if (tasks) {
        for (const pb::Task& task : *tasks) { errors.add(seams_.memory.remove(task.id())); }
    }
    saved_ = {};
    node_.Clear();
    credentials_.reset();
    auto keys = KeyFile::load(seams_.directory + "/certificates", seams_.random);
    if (keys) { keys_ = std::move(*keys); }
    set_state(MemberState::Inactive);
    if (!errors.empty()) { co_return errors.joined(); }
    co_return ok();
}

net::Task<Result<void>> Member::leave(bool force, net::Until until) {
    if (join_scope_) { co_await join_scope_->close(); }
    join_scope_.reset();
    CO_TRY_LET(turn, co_await changing_.acquire(until));
    (void)turn;
    if (state_ == MemberState::Inactive) { co_return Error{Errc::Unavailable, not_a_member}; }
    if (state_ == MemberState::Locked && !force) {
        co_return Error{Errc::Unavailable, swarm_locked};
    }
    if (manager_ && !force) { co_return Error{Errc::Unavailable, leave_warning(*manager_)}; }
    co_await stop_trying();
    if (agent_) {
        const net::Until limit = until.no_later_than(seams_.loop.in(step_limit));
        const auto told = co_await agent_->leave(limit);
        if (!told) { seams_.log("swarm: leave: " + told.error().message); }
    }
    co_return co_await forget();
}

// The role.

void Member::heard_of_node(const pb::Node& node) {
    node_ = node;
    look_.raise();
}

void Member::heard_of_managers(const std::vector<pb::Peer>& managers) {
    std::vector<std::pair<std::string, std::string>> all;
    for (const pb::Peer& peer : managers) { all.emplace_back(peer.node_id(), peer.addr()); }
    if (all.empty() || all == saved_.managers) { return; }
    saved_.managers = std::move(all);
    const auto outcome = save();
    if (!outcome) { seams_.log("swarm: " + outcome.error().message); }
}

net::Task<void> Member::keep_role() {
    const net::Until until(agent_scope_->cancel());
    while (!until.cancelled()) {
        const net::Until limit = until.no_later_than(seams_.loop.in(step_limit));
        const auto outcome = co_await adjust_role(limit);
        if (!outcome && !until.cancelled()) {
            seams_.log("swarm: role of this node: " + outcome.error().message);
        }
        nanoseconds pause = manager_ ? manager_look_pause : look_pause;
        if (!outcome) { pause = retry_pause; }
        const nanoseconds due = renew_at_ - seams_.clock.now();
        if (renew_at_ != Instant{} && due > nanoseconds(0)) { pause = std::min(pause, due); }
        (void)co_await look_.wait(until.no_later_than(seams_.loop.in(pause)));
    }
}

} // namespace shoal::swarm
