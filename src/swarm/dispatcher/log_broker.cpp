#include "swarm/dispatcher/log_broker.h"

#include <algorithm>
#include <set>

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t subscriptions_max = 1000;
constexpr std::size_t selected_max = 1000; ///< ids in one selector
constexpr std::size_t outbox_max = 4000;   ///< messages to one node
constexpr std::size_t queue_bytes_max = 1 << 20;
constexpr std::size_t line_overhead = 128;
constexpr auto request_limit = 10s;

constexpr auto service_name = "/docker.swarmkit.v1.LogBroker/";

template <class Field> bool contains(const Field& all, std::string_view one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

bool selects_task(const pb::LogSelector& selector, const pb::Task& task) {
    return contains(selector.task_ids(), task.id()) ||
           (!task.node_id().empty() && contains(selector.node_ids(), task.node_id())) ||
           (!task.service_id().empty() && contains(selector.service_ids(), task.service_id()));
}

std::set<std::string> nodes_of(const Store& store, const pb::LogSelector& selector) {
    std::set<std::string> nodes;
    const auto take = [&](const TaskPtr& task) {
        if (task && task->status().state() >= pb::ASSIGNED && !task->node_id().empty()) {
            nodes.insert(task->node_id());
        }
    };
    for (const auto& id : selector.task_ids()) { take(store.get<pb::Task>(id)); }
    for (const auto& id : selector.service_ids()) {
        for (const auto& [task_id, task] : store.tasks_of_service(id)) { take(task); }
    }
    for (const auto& id : selector.node_ids()) {
        for (const auto& [task_id, task] : store.tasks_of_node(id)) { take(task); }
    }
    return nodes;
}

Error no_subscription() { return {Errc::NotFound, "there is no such log subscription"}; }

} // namespace

std::int64_t encode_tail(std::uint64_t lines) {
    constexpr auto most = static_cast<std::uint64_t>(INT64_MAX) - 1;
    return -static_cast<std::int64_t>(std::min(lines, most)) - 1;
}

struct LogBroker::Subscription {
    explicit Subscription(net::Loop& loop) : readable(loop), writable(loop) {}
    pb::SubscriptionMessage message;
    enum class Node { Asked, Publishing, Done };
    std::map<std::string, Node> nodes;
    std::map<std::string, pb::Timestamp> last_line; ///< by node
    std::vector<std::string> reasons;               ///< why lines are missing
    std::deque<pb::LogMessage> queue;
    std::size_t queue_bytes = 0;
    net::WaitQueue readable; ///< lines came, or a node is done
    net::WaitQueue writable;
    net::Cancel closed;
    Error why_closed{Errc::Unavailable, "this manager does not lead"};

    bool follows() const { return message.options().follow(); }
    bool finished() const {
        return !follows() && std::all_of(nodes.begin(), nodes.end(), [](const auto& entry) {
            return entry.second == Node::Done;
        });
    }
    void miss(const std::string& node_id, std::string_view what) {
        auto& state = nodes[node_id];
        if (state == Node::Done) { return; }
        state = Node::Done;
        if (follows()) { // it is asked again when it comes back
            nodes.erase(node_id);
            return;
        }
        reasons.push_back("node " + node_id + " " + std::string(what));
        readable.wake_all();
    }
    Result<void> outcome() const {
        if (reasons.empty()) { return ok(); }
        std::string text = "warning: incomplete log stream. some logs could not be retrieved for "
                           "the following reasons: ";
        for (std::size_t i = 0; i < reasons.size(); ++i) {
            text += (i == 0 ? "" : ", ") + reasons[i];
        }
        return internal(std::move(text));
    }
};

/// A node that waits for subscriptions.
struct LogBroker::Listener {
    explicit Listener(net::Loop& loop) : added(loop) {}
    std::string node_id;
    std::deque<pb::SubscriptionMessage> outbox;
    net::WaitQueue added;
    net::Cancel stop;
};

void LogBroker::end() {
    serving_ = false;
    for (const auto& [id, subscription] : subscriptions_) { subscription->closed.cancel(); }
    for (const auto& [node_id, listener] : listeners_) { listener->stop.cancel(); }
}

Result<void> LogBroker::check(const Caller& caller) const {
    if (!serving_) { return Error{Errc::Unavailable, "this manager does not lead"}; }
    if (caller.node_id.empty()) { return Error{Errc::Forbidden, "a node's certificate is needed"}; }
    return ok();
}

// The client's side.

net::Task<Result<void>> LogBroker::subscribe(pb::LogSelector selector,
                                             pb::LogSubscriptionOptions options, Take take,
                                             net::Until until) {
    if (!serving_) { co_return Error{Errc::Unavailable, "this manager does not lead"}; }
    const auto selected = static_cast<std::size_t>(
        selector.service_ids_size() + selector.node_ids_size() + selector.task_ids_size());
    if (selected == 0) { co_return invalid("log selector must not be empty"); }
    if (selected > selected_max) { co_return invalid("the log selector is too long"); }
    if (subscriptions_.size() >= subscriptions_max) {
        co_return Error{Errc::Exhausted, "too many log subscriptions"};
    }
    auto subscription = std::make_shared<Subscription>(loop_);
    subscription->message.set_id(make_id(random_));
    *subscription->message.mutable_selector() = std::move(selector);
    *subscription->message.mutable_options() = std::move(options);
    if (until.cancel != nullptr) { subscription->closed.follow(*until.cancel); }
    subscriptions_[subscription->message.id()] = subscription;
    ask_nodes(subscription);
    auto outcome = co_await deliver(subscription, std::move(take), until);
    subscriptions_.erase(subscription->message.id());
    subscription->closed.cancel();
    subscription->writable.wake_all();
    tell_closed(subscription);
    co_return outcome;
}

void LogBroker::ask_nodes(const SubscriptionPtr& subscription) {
    for (const auto& node_id : nodes_of(store_, subscription->message.selector())) {
        ask_node(subscription, node_id);
    }
}

void LogBroker::ask_node(const SubscriptionPtr& subscription, const std::string& node_id) {
    if (subscription->nodes.contains(node_id)) { return; }
    const auto listener = listeners_.find(node_id);
    if (listener == listeners_.end()) { return subscription->miss(node_id, "is not available"); }
    subscription->nodes[node_id] = Subscription::Node::Asked;
    auto message = subscription->message;
    const auto last = subscription->last_line.find(node_id);
    if (last != subscription->last_line.end()) { // it was here before: only what came since
        *message.mutable_options()->mutable_since() =
            to_timestamp(from_timestamp(last->second) + 1ns);
        message.mutable_options()->set_tail(0);
    }
    post(*listener->second, std::move(message));
}

/// A node that does not even read what it is asked is sent away.
void LogBroker::post(Listener& listener, pb::SubscriptionMessage message) {
    if (listener.outbox.size() >= outbox_max) { return listener.stop.cancel(); }
    listener.outbox.push_back(std::move(message));
    listener.added.wake_all();
}

void LogBroker::tell_closed(const SubscriptionPtr& subscription) {
    pb::SubscriptionMessage message;
    message.set_id(subscription->message.id());
    message.set_close(true);
    for (const auto& [node_id, state] : subscription->nodes) {
        const auto listener = listeners_.find(node_id);
        if (listener == listeners_.end() || state == Subscription::Node::Done) { continue; }
        post(*listener->second, message);
    }
}

net::Task<Result<void>> LogBroker::deliver(SubscriptionPtr subscription, Take take,
                                           net::Until until) {
    const net::Until limit(until.deadline, subscription->closed);
    for (;;) {
        if (!subscription->queue.empty()) {
            pb::SubscribeLogsMessage message;
            for (auto& line : std::exchange(subscription->queue, {})) {
                *message.add_messages() = std::move(line);
            }
            subscription->queue_bytes = 0;
            subscription->writable.wake_all();
            CO_TRY(co_await take(std::move(message)));
            continue;
        }
        if (subscription->finished()) { co_return subscription->outcome(); }
        const auto wake = co_await subscription->readable.wait(limit);
        if (wake == net::Wake::Cancelled && !until.cancelled()) {
            co_return subscription->why_closed;
        }
        CO_TRY(net::to_result(wake, "logs"));
    }
}

net::Task<Result<void>> LogBroker::subscribe_logs(net::GrpcCall& call, const Caller& caller,
                                                  net::Until until) {
    CO_TRY(check(caller));
    const auto limit = until.no_later_than(loop_.in(request_limit));
    CO_TRY_LET(bytes, co_await call.read_only_message(limit));
    CO_TRY_LET(request, parse_message<pb::SubscribeLogsRequest>(bytes, call.method()));
    net::GrpcCall* const to = &call;
    Take take = [to, until](pb::SubscribeLogsMessage message) {
        return to->write(print_message(message), until);
    };
    co_return co_await subscribe(std::move(*request.mutable_selector()),
                                 std::move(*request.mutable_options()), std::move(take), until);
}

// The nodes' side.

net::Task<Result<void>> LogBroker::listen_subscriptions(net::GrpcCall& call, const Caller& caller,
                                                        net::Until until) {
    const Caller who = caller;
    CO_TRY(check(who));
    const auto limit = until.no_later_than(loop_.in(request_limit));
    CO_TRY_LET(bytes, co_await call.read_only_message(limit));
    CO_TRY_LET(request, parse_message<pb::ListenSubscriptionsRequest>(bytes, call.method()));
    (void)request;
    CO_TRY(check(who));
    Listener listener(loop_);
    listener.node_id = who.node_id;
    if (until.cancel != nullptr) { listener.stop.follow(*until.cancel); }
    Listener*& slot = listeners_[who.node_id];
    if (slot != nullptr) { slot->stop.cancel(); } // one stream of a node
    slot = &listener;
    listener_lost(who.node_id); // what the one before was asked and did not begin
    for (const auto& [id, subscription] : subscriptions_) {
        const auto nodes = nodes_of(store_, subscription->message.selector());
        if (nodes.contains(who.node_id)) { ask_node(subscription, who.node_id); }
    }
    auto outcome = co_await send_subscriptions(&listener, &call);
    const auto found = listeners_.find(who.node_id);
    if (found != listeners_.end() && found->second == &listener) {
        listeners_.erase(found);
        listener_lost(who.node_id);
    }
    co_return outcome;
}

net::Task<Result<void>> LogBroker::send_subscriptions(Listener* listener, net::GrpcCall* call) {
    const net::Until until(listener->stop);
    for (;;) {
        while (!listener->outbox.empty()) {
            auto bytes = print_message(listener->outbox.front());
            listener->outbox.pop_front();
            CO_TRY(co_await call->write(std::move(bytes), until));
        }
        const auto wake = co_await listener->added.wait(until);
        CO_TRY(net::to_result(wake, "log subscriptions"));
    }
}

/// Nobody there will publish what was asked.
void LogBroker::listener_lost(const std::string& node_id) {
    for (const auto& [id, subscription] : subscriptions_) {
        const auto found = subscription->nodes.find(node_id);
        if (found != subscription->nodes.end() && found->second == Subscription::Node::Asked) {
            subscription->miss(node_id, "disconnected unexpectedly");
        }
    }
}

net::Task<Result<void>> LogBroker::publish_logs(net::GrpcCall& call, const Caller& caller,
                                                net::Until until) {
    const Caller who = caller;
    CO_TRY(check(who));
    CO_TRY_LET(bytes, co_await call.read(until));
    if (!bytes) { co_return invalid("a log stream without messages"); }
    CO_TRY_LET(first, parse_message<pb::PublishLogsMessage>(*bytes, call.method()));
    const auto found = subscriptions_.find(first.subscription_id());
    if (found == subscriptions_.end()) { co_return no_subscription(); }
    const auto subscription = found->second;
    const auto node = subscription->nodes.find(who.node_id);
    if (node == subscription->nodes.end() || node->second != Subscription::Node::Asked) {
        co_return Error{Errc::Forbidden, "this node was not asked for these logs"};
    }
    node->second = Subscription::Node::Publishing;
    auto outcome = co_await receive(subscription, std::move(first), who.node_id, &call, until);
    if (outcome) {
        subscription->nodes[who.node_id] = Subscription::Node::Done;
        subscription->readable.wake_all();
        auto answer = print_message(pb::PublishLogsResponse());
        co_return co_await call.write(std::move(answer), until);
    }
    subscription->miss(who.node_id, "disconnected unexpectedly");
    co_return outcome;
}

net::Task<Result<void>> LogBroker::receive(SubscriptionPtr subscription,
                                           pb::PublishLogsMessage first, std::string node_id,
                                           net::GrpcCall* call, net::Until until) {
    net::Cancel stop(subscription->closed);
    if (until.cancel != nullptr) { stop.follow(*until.cancel); }
    const net::Until limit(until.deadline, stop);
    auto message = std::move(first);
    for (;;) {
        if (message.subscription_id() != subscription->message.id()) {
            co_return invalid("one log stream is for one subscription");
        }
        const bool last = message.close();
        CO_TRY(co_await take_lines(subscription, &node_id, std::move(message), limit));
        if (last) { co_return ok(); }
        auto bytes = co_await call->read(limit);
        if (!bytes && subscription->closed.cancelled()) { co_return ok(); } // enough
        if (!bytes) { co_return bytes.error(); }
        if (!*bytes) { co_return Error{Errc::Cancelled, "the log stream has no end"}; }
        CO_TRY_LET(next, parse_message<pb::PublishLogsMessage>(**bytes, "PublishLogs"));
        message = std::move(next);
    }
}

/// Waits while the client is slow.
net::Task<Result<void>> LogBroker::take_lines(SubscriptionPtr subscription,
                                              const std::string* node_id,
                                              pb::PublishLogsMessage message, net::Until until) {
    for (auto& line : *message.mutable_messages()) {
        CO_TRY_LET(wanted, may_publish(*subscription, *node_id, line));
        if (!wanted) { continue; }
        while (subscription->queue_bytes >= queue_bytes_max) {
            const auto wake = co_await subscription->writable.wait(until);
            CO_TRY(net::to_result(wake, "logs"));
        }
        subscription->queue_bytes += line.data().size() + line_overhead;
        if (line.has_timestamp()) { subscription->last_line[*node_id] = line.timestamp(); }
        subscription->queue.push_back(std::move(line));
        subscription->readable.wake_all();
    }
    co_return ok();
}

/// False: the task has gone meanwhile.
Result<bool> LogBroker::may_publish(const Subscription& subscription, const std::string& node_id,
                                    const pb::LogMessage& line) const {
    const Error refused{Errc::Forbidden, "a node may publish logs of its own tasks only"};
    if (line.context().node_id() != node_id) { return refused; }
    const auto task = store_.get<pb::Task>(line.context().task_id());
    if (!task) { return false; }
    if (task->node_id() != node_id || task->service_id() != line.context().service_id() ||
        !selects_task(subscription.message.selector(), *task)) {
        return refused;
    }
    return true;
}

void LogBroker::observe(const Change& change) {
    if (!serving_ || subscriptions_.empty()) { return; }
    if (change.kind == Kind::Task) {
        const auto task = change.new_as<pb::Task>();
        if (!task || task->node_id().empty() || task->status().state() < pb::ASSIGNED) { return; }
        for (const auto& [id, subscription] : subscriptions_) {
            if (subscription->follows() && selects_task(subscription->message.selector(), *task)) {
                ask_node(subscription, task->node_id());
            }
        }
        return;
    }
    const auto node = change.kind == Kind::Node ? change.new_as<pb::Node>() : nullptr;
    if (!node || node->status().state() != pb::NodeStatus::DOWN) { return; }
    for (const auto& [id, subscription] : subscriptions_) {
        if (subscription->nodes.contains(change.id)) {
            subscription->miss(change.id, "is not available");
        }
    }
}

void LogBroker::register_with(RpcServer& server) {
    const auto add = [&](std::string method, Allowed allowed, auto member) {
        server.add(std::move(method), allowed, Where::Leader,
                   [this, member](net::GrpcCall& call, const Caller& caller, net::Until until) {
                       return (this->*member)(call, caller, until);
                   });
    };
    const std::string broker = service_name;
    add(broker + "ListenSubscriptions", Allowed::Nodes, &LogBroker::listen_subscriptions);
    add(broker + "PublishLogs", Allowed::Nodes, &LogBroker::publish_logs);
    add("/docker.swarmkit.v1.Logs/SubscribeLogs", Allowed::Managers, &LogBroker::subscribe_logs);
}

} // namespace shoal::swarm
