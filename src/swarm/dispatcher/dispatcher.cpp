#include "swarm/dispatcher/dispatcher.h"

#include "net/sleep.h"

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr nanoseconds heartbeat_default = 5s;
constexpr nanoseconds request_limit = 10s; ///< for a request to arrive whole
constexpr nanoseconds registration_patience = 10s;
constexpr nanoseconds absence_max = 5min;
constexpr nanoseconds quiet_span = 100ms; ///< for stock engines: changes are sent together
constexpr nanoseconds settle_max = 1s;
constexpr std::size_t settle_changes = 100;
constexpr nanoseconds lateness_max = 500ms;
constexpr nanoseconds retry_span = 200ms;
constexpr nanoseconds orphan_check = 60s;
constexpr std::size_t orphans_max = 1000; ///< of one transaction
constexpr std::size_t request_bytes_max = 1 << 20;
constexpr std::size_t reports_max = 10'000;
constexpr nanoseconds registration_window = 8s;
constexpr std::size_t registrations_max_stock = 3;
constexpr std::size_t registrations_max_shoal = 20;

Error not_registered() { return {Errc::NotFound, "node not registered"}; }
Error session_invalid() { return invalid("session invalid"); }
Error not_leading() { return {Errc::Unavailable, "this manager does not lead"}; }

std::string host_of(const std::string& address) {
    const auto colon = address.rfind(':');
    if (colon == std::string::npos) { return address; }
    std::string host = address.substr(0, colon);
    if (host.size() > 2 && host.front() == '[') { host = host.substr(1, host.size() - 2); }
    return host;
}

template <class Request>
net::Task<Result<Request>> read_request(net::Loop& loop, net::GrpcCall& call, net::Until until) {
    const auto limit = until.no_later_than(loop.in(request_limit));
    CO_TRY_LET(bytes, co_await call.read_only_message(limit));
    co_return parse_message<Request>(bytes, call.method());
}

template <class Answer>
net::Task<Result<void>> send(net::GrpcCall& call, const Answer& answer, net::Until until) {
    return call.write(print_message(answer), until);
}

AgentKind kind_of_agent(const pb::NodeDescription& description) {
    return description.shoal_version().empty() ? AgentKind::Stock : AgentKind::Shoal;
}

} // namespace

struct Dispatcher::Session {
    explicit Session(net::Loop& loop) : changed(loop) {}
    std::string id;
    std::string node_id;
    AgentKind kind = AgentKind::Stock;
    bool registered = false; ///< the store knows it
    std::optional<Steady> absent_until;
    net::Cancel ended;
    Error why = session_invalid(); ///< it ended
    net::Signal changed;           ///< there is something new to tell
};

/// One stream of assignments.
struct Dispatcher::Assigning {
    Assigning(net::Loop& loop, const SessionPtr& of)
        : session(of),
          view(of->node_id, of->kind == AgentKind::Shoal ? NodeAssignments::Reader::Shoal
                                                         : NodeAssignments::Reader::Stock),
          changed(loop), stop(of->ended) {}
    SessionPtr session;
    NodeAssignments view;
    net::Signal changed;
    net::Cancel stop;
    bool idle = false; ///< everything has been sent
};

Dispatcher::Dispatcher(Parts parts, Settings settings)
    : parts_(std::move(parts)), settings_(std::move(settings)),
      maps_({parts_.loop, parts_.store, parts_.writer,
             [this](const pb::Task& task) { let_go(task); }, parts_.say}),
      looks_earlier_(parts_.loop), states_added_(parts_.loop) {}

// Serving.

Dispatcher::~Dispatcher() = default;

/// Nobody has been heard of yet: nodes get more time to find the new leader.
void Dispatcher::begin() {
    serving_ = true;
    rebuild_managers();
    for (const auto& [id, node] : parts_.store.all<pb::Node>()) {
        if (node->status().state() == pb::NodeStatus::DOWN) { continue; }
        const auto patience = pulse(kind_of_agent(node->description())).after_change;
        expect(id, parts_.loop.now() + patience);
        set_state(id, pb::NodeStatus::UNKNOWN, "the leader has changed; waiting for the node");
    }
    maps_.begin();
    office_ = std::make_unique<net::TaskScope>(parts_.loop);
    const net::Until until(office_->cancel());
    office_->spawn(watch_silence(until));
    office_->spawn(write_states(until));
    office_->spawn(watch_orphans(until));
}

void Dispatcher::end() {
    serving_ = false;
    if (office_) { office_->cancel().cancel(); }
    const auto all = sessions_;
    for (const auto& [id, session] : all) { end_session(session, not_leading()); }
    maps_.end();
    liveness_ = {};
    patience_ = {};
    states_.clear();
    registrations_.clear();
    turns_.clear();
}

Pulse Dispatcher::pulse(AgentKind kind) const {
    const auto cluster = parts_.store.cluster();
    nanoseconds heartbeat{};
    if (cluster) { heartbeat = from_duration(cluster->spec().dispatcher().heartbeat_period()); }
    return pulse_of(kind, heartbeat > 0s ? heartbeat : heartbeat_default);
}

Pulse Dispatcher::pulse_of_session(const Session& session) const {
    return patience_.stretched(pulse(session.kind), session.node_id, parts_.loop.now());
}

/// Declares down who was not heard of in time. When this process itself stood still, nobody can
/// have been heard of: that time does not count.
net::Task<void> Dispatcher::watch_silence(net::Until until) {
    for (;;) {
        const auto next = liveness_.next();
        next_look_ = next;
        net::Until limit = until;
        if (next) { limit = until.no_later_than(Deadline(*next)); }
        co_await looks_earlier_.wait(limit);
        if (until.cancelled()) { co_return; }
        const auto now = parts_.loop.now();
        if (next && now > *next + lateness_max) {
            liveness_.forgive(now - *next);
            continue;
        }
        for (const auto& node_id : liveness_.take_overdue(now)) {
            const auto found = sessions_.find(node_id);
            if (found != sessions_.end()) { end_session(found->second, not_registered()); }
            set_state(node_id, pb::NodeStatus::DOWN, "heartbeat failure");
            patience_.given_up(node_id, now);
        }
    }
}

void Dispatcher::expect(const std::string& node_id, Steady by) {
    liveness_.expect(node_id, by);
    if (!next_look_ || by < *next_look_) { looks_earlier_.raise(); }
}

// States of nodes. Registrations write at once; what is noted here is written together.

void Dispatcher::set_state(const std::string& node_id, pb::NodeStatus::State state,
                           std::string message) {
    states_[node_id] = {{state, std::move(message)}, turns_[node_id]};
    states_added_.raise();
}

std::map<std::string, NodeState>
Dispatcher::current(const std::map<std::string, StateChange>& all) const {
    std::map<std::string, NodeState> still;
    for (const auto& [node_id, change] : all) {
        const auto turn = turns_.find(node_id);
        if (turn != turns_.end() && turn->second == change.turn) {
            still.emplace(node_id, change.state);
        }
    }
    return still;
}

net::Task<void> Dispatcher::write_states(net::Until until) {
    while (!until.cancelled()) {
        if (states_.empty()) {
            co_await states_added_.wait(until);
            continue;
        }
        auto taken = std::exchange(states_, {});
        Mutation mutation = [wanted = current(taken)](Tx& tx) -> Result<void> {
            set_node_states(tx, wanted);
            return ok();
        };
        const auto written = co_await parts_.writer.submit(std::move(mutation), until);
        if (written) { continue; }
        if (until.cancelled()) { co_return; }
        for (auto& [node_id, change] : taken) { states_.emplace(node_id, std::move(change)); }
        co_await net::sleep(parts_.loop, until.no_later_than(parts_.loop.in(retry_span)));
    }
}

net::Task<void> Dispatcher::watch_orphans(net::Until until) {
    while (!until.cancelled()) {
        auto orphans =
            plan_orphans(parts_.store, parts_.clock.now(), settings_.orphan_after, orphans_max);
        const bool more = orphans.size() == orphans_max;
        if (!orphans.empty()) {
            Mutation mutation = [ids = std::move(orphans),
                                 by = settings_.node_id](Tx& tx) -> Result<void> {
                orphan_tasks(tx, ids, by);
                return ok();
            };
            const auto written = co_await parts_.writer.submit(std::move(mutation), until);
            if (written && more) { continue; }
        }
        co_await net::sleep(parts_.loop, until.no_later_than(parts_.loop.in(orphan_check)));
    }
}

// Sessions.

Result<void> Dispatcher::check(const Caller& caller) const {
    if (!serving_) { return not_leading(); }
    if (caller.node_id.empty()) { return Error{Errc::Forbidden, "a node's certificate is needed"}; }
    return ok();
}

Result<Dispatcher::SessionPtr> Dispatcher::find(const Caller& caller,
                                                const std::string& session_id) const {
    TRY(check(caller));
    const auto found = sessions_.find(caller.node_id);
    if (found == sessions_.end()) { return not_registered(); }
    if (found->second->id != session_id) { return session_invalid(); }
    return found->second;
}

Result<void> Dispatcher::admit(const Caller& caller, AgentKind kind) {
    const auto node = parts_.store.get<pb::Node>(caller.node_id);
    const auto cluster = parts_.store.cluster();
    if (cluster && cluster->blacklisted_certificates().contains(caller.node_id)) {
        return Error{Errc::Forbidden, "node " + caller.node_id + " was removed from the swarm"};
    }
    if (!node) { return Error{Errc::NotFound, "node not found"}; }
    if (node->spec().membership() != pb::NodeSpec::ACCEPTED) {
        return Error{Errc::Forbidden, "node " + caller.node_id + " has not been accepted"};
    }
    const auto now = parts_.loop.now();
    auto& past = registrations_[caller.node_id];
    while (!past.empty() && past.front() + registration_window <= now) { past.pop_front(); }
    const auto most = kind == AgentKind::Stock ? registrations_max_stock : registrations_max_shoal;
    if (past.size() >= most) {
        return Error{Errc::Unavailable, "node " + caller.node_id + " registers too often"};
    }
    past.push_back(now);
    return ok();
}

Dispatcher::SessionPtr Dispatcher::begin_session(const Caller& caller, AgentKind kind,
                                                 const std::string& run) {
    const auto old = sessions_.find(caller.node_id);
    if (old != sessions_.end()) { end_session(old->second, session_invalid()); }
    auto session = std::make_shared<Session>(parts_.loop);
    session->id = make_id(parts_.random);
    session->node_id = caller.node_id;
    session->kind = kind;
    sessions_[caller.node_id] = session;
    maps_.session_began(caller.node_id);
    ++turns_[caller.node_id];
    patience_.is_here(caller.node_id, run, pulse(kind).silence_max, parts_.loop.now());
    // It cannot send heartbeats before it has heard its session's id, which waits for the writer.
    expect(caller.node_id,
           parts_.loop.now() + std::max(registration_patience, pulse(kind).silence));
    return session;
}

void Dispatcher::end_session(const SessionPtr& session, Error why) {
    if (session->ended.cancelled()) { return; }
    if (is_current(session)) {
        sessions_.erase(session->node_id);
        maps_.session_ended(session->node_id);
    }
    session->why = std::move(why);
    session->ended.cancel();
}

bool Dispatcher::is_current(const SessionPtr& session) const {
    const auto found = sessions_.find(session->node_id);
    return found != sessions_.end() && found->second == session;
}

void Dispatcher::heard_of(const SessionPtr& session) {
    expect(session->node_id, parts_.loop.now() + pulse_of_session(*session).silence);
}

net::Task<Result<void>> Dispatcher::session(net::GrpcCall& call, const Caller& caller,
                                            net::Until until) {
    const Caller who = caller;
    CO_TRY(check(who));
    CO_TRY_LET(request, co_await read_request<pb::SessionRequest>(parts_.loop, call, until));
    CO_TRY(check(who));
    if (request.ByteSizeLong() > request_bytes_max) {
        co_return invalid("the node's description is too long");
    }
    const auto kind = kind_of_agent(request.description());
    CO_TRY(admit(who, kind));
    const auto session = begin_session(who, kind, request.run());
    const auto registered = co_await register_in_store(
        session, std::move(*request.mutable_description()), host_of(who.address), until);
    if (!registered) {
        connection_lost(session);
        co_return registered;
    }
    auto outcome = co_await send_messages(session, &call, until);
    connection_lost(session);
    co_return outcome;
}

net::Task<Result<void>> Dispatcher::register_in_store(SessionPtr session,
                                                      pb::NodeDescription description,
                                                      std::string address, net::Until until) {
    Mutation mutation = [id = session->node_id, description = std::move(description),
                         address = std::move(address)](Tx& tx) {
        return register_node(tx, id, description, address);
    };
    const auto written = co_await parts_.writer.submit(std::move(mutation), until);
    if (!written) { co_return written.error(); }
    session->registered = true;
    if (is_current(session)) { heard_of(session); }
    co_return ok();
}

net::Task<Result<void>> Dispatcher::send_messages(SessionPtr session, net::GrpcCall* call,
                                                  net::Until until) {
    net::Cancel stop(session->ended);
    if (until.cancel != nullptr) { stop.follow(*until.cancel); }
    const net::Until limit(until.deadline, stop);
    std::string told;
    for (;;) {
        if (session->ended.cancelled()) { co_return session->why; }
        auto message = print_message(message_for(*session));
        if (message != told) {
            told = message;
            CO_TRY(co_await call->write(std::move(message), limit));
        }
        const auto wake = co_await session->changed.wait(limit);
        if (session->ended.cancelled()) { co_return session->why; }
        CO_TRY(net::to_result(wake, "session"));
    }
}

pb::SessionMessage Dispatcher::message_for(const Session& session) const {
    pb::SessionMessage message;
    message.set_session_id(session.id);
    message.set_shoal_version(settings_.shoal_version);
    const auto node = parts_.store.get<pb::Node>(session.node_id);
    if (node) { *message.mutable_node() = *node; }
    if (session.kind == AgentKind::Stock) { // it would try to join overlays
        message.mutable_node()->clear_attachment();
        message.mutable_node()->clear_attachments();
    }
    for (const auto& peer : managers_) { *message.add_managers() = peer; }
    const auto cluster = parts_.store.cluster();
    if (!cluster) { return message; }
    *message.mutable_network_bootstrap_keys() = cluster->network_bootstrap_keys();
    message.set_rootca(cluster->root_ca().ca_cert());
    return message;
}

/// The node may be gone, or only looking for another manager.
void Dispatcher::connection_lost(const SessionPtr& session) {
    if (!is_current(session)) { return; }
    end_session(session, not_registered());
    if (!serving_) { return; }
    const auto now = parts_.loop.now();
    auto by = liveness_.expected(session->node_id).value_or(now);
    if (session->absent_until) {
        by = *session->absent_until;
    } else {
        by = std::min(by, now + pulse_of_session(*session).lost);
    }
    expect(session->node_id, by);
    const bool away = session->absent_until.has_value();
    set_state(session->node_id, pb::NodeStatus::DISCONNECTED,
              away ? "node is restarting" : "node is currently trying to find new manager");
}

net::Task<Result<void>> Dispatcher::heartbeat(net::GrpcCall& call, const Caller& caller,
                                              net::Until until) {
    const Caller who = caller;
    CO_TRY_LET(request, co_await read_request<pb::HeartbeatRequest>(parts_.loop, call, until));
    CO_TRY_LET(session, find(who, request.session_id()));
    heard_of(session);
    const auto absence = from_duration(request.absence());
    if (absence > 0s) { goes_away(session, std::min(absence, absence_max)); }
    const auto period = pulse(session->kind).period;
    const auto spread = period / 10;
    const auto jitter = static_cast<std::int64_t>(
        parts_.random.below(static_cast<std::uint64_t>(2 * spread.count())));
    pb::HeartbeatResponse answer;
    *answer.mutable_period() = to_duration(period - spread + nanoseconds(jitter));
    co_return co_await send(call, answer, until);
}

void Dispatcher::goes_away(const SessionPtr& session, nanoseconds absence) {
    session->absent_until = parts_.loop.now() + absence;
    expect(session->node_id, *session->absent_until);
}

// Assignments.

net::Task<Result<void>> Dispatcher::assignments(net::GrpcCall& call, const Caller& caller,
                                                net::Until until) {
    const Caller who = caller;
    CO_TRY_LET(request, co_await read_request<pb::AssignmentsRequest>(parts_.loop, call, until));
    CO_TRY_LET(session, find(who, request.session_id()));
    if (!session->registered) { co_return not_registered(); }
    Assigning assigning(parts_.loop, session);
    assigning.view.hold_back([this](const std::string& id) { return maps_.holds(id); });
    if (until.cancel != nullptr) { assigning.stop.follow(*until.cancel); }
    Assigning*& slot = assigning_[who.node_id];
    if (slot != nullptr) { slot->stop.cancel(); } // one stream of a node
    slot = &assigning;
    auto outcome = co_await send_assignments(&assigning, &call);
    const auto found = assigning_.find(who.node_id);
    if (found != assigning_.end() && found->second == &assigning) { assigning_.erase(found); }
    if (session->ended.cancelled()) { co_return session->why; }
    co_return outcome;
}

net::Task<Result<void>> Dispatcher::send_assignments(Assigning* assigning, net::GrpcCall* call) {
    const net::Until until(assigning->stop);
    for (;;) {
        CO_TRY(to_result(assigning->stop.cancelled() ? net::Wake::Cancelled : net::Wake::Raised,
                         "assignments"));
        const auto message = assigning->view.next(parts_.store);
        if (message) {
            CO_TRY(co_await send(*call, *message, until));
            continue;
        }
        const auto wake = co_await assigning->changed.wait(until);
        CO_TRY(net::to_result(wake, "assignments"));
        if (assigning->session->kind == AgentKind::Stock) { co_await settle(assigning); }
    }
}

/// Until it has been quiet for a moment, or much has come together.
net::Task<void> Dispatcher::settle(Assigning* assigning) {
    const auto latest = parts_.loop.in(settle_max);
    while (assigning->view.waiting() < settle_changes) {
        const net::Until quiet(parts_.loop.in(quiet_span), assigning->stop);
        const auto wake = co_await assigning->changed.wait(quiet.no_later_than(latest));
        if (wake != net::Wake::Raised) { co_return; }
    }
}

void Dispatcher::let_go(const pb::Task& task) {
    const auto found = assigning_.find(task.node_id());
    if (found == assigning_.end()) { return; }
    found->second->view.let_go(task.id());
    found->second->changed.raise();
}

// Networks.

net::Task<Result<void>> Dispatcher::follow_map(net::GrpcCall& call, const Caller& caller,
                                               net::Until until) {
    const Caller who = caller;
    CO_TRY_LET(request, co_await read_request<mpb::FollowMapRequest>(parts_.loop, call, until));
    CO_TRY_LET(session, find(who, request.session_id()));
    if (!session->registered) { co_return not_registered(); }
    net::Cancel stop(session->ended);
    if (until.cancel != nullptr) { stop.follow(*until.cancel); }
    auto outcome = co_await maps_.follow(who.node_id, &call, &stop);
    if (session->ended.cancelled()) { co_return session->why; }
    co_return outcome;
}

net::Task<Result<void>> Dispatcher::map_applied(net::GrpcCall& call, const Caller& caller,
                                                net::Until until) {
    const Caller who = caller;
    CO_TRY_LET(request, co_await read_request<mpb::MapAppliedRequest>(parts_.loop, call, until));
    CO_TRY_LET(session, find(who, request.session_id()));
    maps_.applied(session->node_id, request);
    co_return co_await send(call, mpb::MapAppliedResponse(), until);
}

// Reports.

net::Task<Result<void>> Dispatcher::update_task_status(net::GrpcCall& call, const Caller& caller,
                                                       net::Until until) {
    const Caller who = caller;
    CO_TRY_LET(request,
               co_await read_request<pb::UpdateTaskStatusRequest>(parts_.loop, call, until));
    CO_TRY_LET(session, find(who, request.session_id()));
    if (static_cast<std::size_t>(request.updates_size()) > reports_max) {
        co_return invalid("too many updates in one call");
    }
    std::vector<TaskReport> reports;
    for (auto& update : *request.mutable_updates()) {
        const auto task = parts_.store.get<pb::Task>(update.task_id());
        if (!task) { continue; }
        if (task->node_id() != session->node_id) {
            co_return Error{Errc::Forbidden, "cannot update a task not assigned this node"};
        }
        const auto state = update.status().state();
        if (state < pb::ACCEPTED || state > pb::REJECTED) {
            co_return invalid("a node cannot report this state of a task");
        }
        reports.push_back({update.task_id(), std::move(*update.mutable_status())});
    }
    if (!reports.empty()) {
        Mutation mutation = [id = who.node_id, reports = std::move(reports),
                             by = settings_.node_id](Tx& tx) -> Result<void> {
            apply_reports(tx, id, reports, by);
            return ok();
        };
        const auto written = co_await parts_.writer.submit(std::move(mutation), until);
        if (!written) { co_return written.error(); }
    }
    co_return co_await send(call, pb::UpdateTaskStatusResponse(), until);
}

net::Task<Result<void>> Dispatcher::update_volume_status(net::GrpcCall& call, const Caller& caller,
                                                         net::Until until) {
    const Caller who = caller;
    CO_TRY_LET(request,
               co_await read_request<pb::UpdateVolumeStatusRequest>(parts_.loop, call, until));
    CO_TRY_LET(session, find(who, request.session_id()));
    (void)session;
    if (request.updates_size() > 0) { co_return unsupported("cluster volumes are not supported"); }
    co_return co_await send(call, pb::UpdateVolumeStatusResponse(), until);
}

net::Task<Result<void>> Dispatcher::tasks(net::GrpcCall&, const Caller&, net::Until) {
    co_return unsupported("Tasks is not supported: Assignments takes its place");
}

// What changed in the store.

void Dispatcher::observe(const Change& change) {
    if (!serving_) { return; }
    maps_.observe(change);
    switch (change.kind) {
    case Kind::Task:
        return observe_task(change);
    case Kind::Secret:
    case Kind::Config:
        return observe_dependency(change);
    case Kind::Node:
        return observe_node(change);
    case Kind::Cluster:
        return observe_cluster(change);
    case Kind::Network:
    case Kind::Service:
        return;
    }
}

void Dispatcher::observe_task(const Change& change) {
    std::set<std::string> nodes;
    for (const auto& task : {change.old_as<pb::Task>(), change.new_as<pb::Task>()}) {
        if (task) { nodes.insert(task->node_id()); }
    }
    for (const auto& node_id : nodes) {
        const auto found = assigning_.find(node_id);
        if (found == assigning_.end()) { continue; }
        found->second->view.observe(change);
        if (found->second->view.pending()) { assignments_touched_.insert(node_id); }
    }
}

void Dispatcher::observe_dependency(const Change& change) {
    for (const auto& [node_id, assigning] : assigning_) {
        assigning->view.observe(change);
        if (assigning->view.pending()) { assignments_touched_.insert(node_id); }
    }
}

void Dispatcher::observe_node(const Change& change) {
    const auto before = change.old_as<pb::Node>();
    const auto after = change.new_as<pb::Node>();
    const auto manager_in = [](const NodePtr& node) {
        return node ? node->manager_status().addr() : std::string();
    };
    if (manager_in(before) != manager_in(after)) {
        rebuild_managers();
        all_sessions_touched_ = true;
    }
    if (!after) { return forget_node(change.id); }
    const bool here = sessions_.contains(change.id);
    if (here) { sessions_touched_.insert(change.id); }
    if (!before && !here) {
        const auto patience = pulse(kind_of_agent(after->description())).after_change;
        expect(change.id, parts_.loop.now() + patience);
    }
}

void Dispatcher::forget_node(const std::string& node_id) {
    const auto found = sessions_.find(node_id);
    if (found != sessions_.end()) {
        end_session(found->second, Error{Errc::Forbidden, "the node was removed from the swarm"});
    }
    liveness_.forget(node_id);
    patience_.forget(node_id);
    registrations_.erase(node_id);
    states_.erase(node_id);
    turns_.erase(node_id);
}

void Dispatcher::observe_cluster(const Change& change) {
    const auto news_in = [](const ClusterPtr& cluster) {
        std::string all;
        if (!cluster) { return all; }
        for (const auto& key : cluster->network_bootstrap_keys()) {
            all += key.SerializeAsString();
        }
        return all + cluster->root_ca().ca_cert();
    };
    if (news_in(change.old_as<pb::Cluster>()) != news_in(change.new_as<pb::Cluster>())) {
        all_sessions_touched_ = true;
    }
}

void Dispatcher::flush() {
    if (serving_) { maps_.flush(); }
    if (std::exchange(all_sessions_touched_, false)) {
        for (const auto& [node_id, session] : sessions_) { session->changed.raise(); }
    }
    for (const auto& node_id : std::exchange(sessions_touched_, {})) {
        const auto found = sessions_.find(node_id);
        if (found != sessions_.end()) { found->second->changed.raise(); }
    }
    for (const auto& node_id : std::exchange(assignments_touched_, {})) {
        const auto found = assigning_.find(node_id);
        if (found != assigning_.end()) { found->second->changed.raise(); }
    }
}

void Dispatcher::rebuild_managers() {
    managers_.clear();
    for (const auto& [id, node] : parts_.store.all<pb::Node>()) {
        if (node->manager_status().addr().empty()) { continue; }
        pb::WeightedPeer peer;
        peer.set_weight(1);
        peer.mutable_peer()->set_node_id(id);
        peer.mutable_peer()->set_addr(node->manager_status().addr());
        managers_.push_back(std::move(peer));
    }
}

void Dispatcher::register_with(RpcServer& server) {
    const auto add_to = [&](const std::string& service, std::string_view name, auto member) {
        server.add(service + std::string(name), Allowed::Nodes, Where::Leader,
                   [this, member](net::GrpcCall& call, const Caller& caller, net::Until until) {
                       return (this->*member)(call, caller, until);
                   });
    };
    const auto add = [&](std::string_view name, auto member) {
        add_to("/docker.swarmkit.v1.Dispatcher/", name, member);
    };
    add("Session", &Dispatcher::session);
    add("Heartbeat", &Dispatcher::heartbeat);
    add("Assignments", &Dispatcher::assignments);
    add("UpdateTaskStatus", &Dispatcher::update_task_status);
    add("UpdateVolumeStatus", &Dispatcher::update_volume_status);
    add("Tasks", &Dispatcher::tasks);
    add_to("/shoal.swarm.v1.NetworkMap/", "Follow", &Dispatcher::follow_map);
    add_to("/shoal.swarm.v1.NetworkMap/", "Applied", &Dispatcher::map_applied);
}

} // namespace shoal::swarm
