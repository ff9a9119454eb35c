#include "swarm/agent/log_publisher.h"

#include "net/sleep.h"

namespace shoal::swarm {
namespace {

constexpr auto listen_method = "/docker.swarmkit.v1.LogBroker/ListenSubscriptions";
constexpr auto publish_method = "/docker.swarmkit.v1.LogBroker/PublishLogs";
constexpr std::size_t subscriptions_max = 256;
constexpr std::size_t batch_bytes = 64 * 1024;
constexpr double bytes_per_second = 10e6;
constexpr std::chrono::seconds goodbye_limit(5);

} // namespace

struct LogPublisher::Subscription {
    explicit Subscription(net::Loop& loop) : freed(loop) {}
    std::string id;
    pb::LogSelector selector;
    pb::LogSubscriptionOptions options;
    net::GrpcCallPtr call;
    net::Cancel closed;
    std::set<std::string> begun; ///< tasks
    pb::PublishLogsMessage batch;
    std::size_t batch_size = 0;
    bool writing = false;
    net::WaitQueue freed; ///< the batch has been taken
    Steady sent_until{};  ///< when what was sent fits into the rate
};

net::Task<Result<void>> LogPublisher::run(net::Until until) {
    auto outcome = co_await listen(until);
    for (const auto& [id, subscription] : subscriptions_) { subscription->closed.cancel(); }
    co_await scope_.close();
    if (!outcome && outcome.error().code == Errc::Unsupported) {
        co_await net::sleep(loop_, until);
        co_return ok();
    }
    co_return outcome;
}

net::Task<Result<void>> LogPublisher::listen(net::Until until) {
    CO_TRY_LET(call, channel_.open(listen_method));
    auto request = print_message(pb::ListenSubscriptionsRequest());
    CO_TRY(co_await call->write(std::move(request), until));
    CO_TRY(call->finish_writing());
    for (;;) {
        CO_TRY_LET(bytes, co_await call->read(until));
        if (!bytes) { co_return Error{Errc::Unavailable, "the manager ended the subscriptions"}; }
        CO_TRY_LET(message, parse_message<pb::SubscriptionMessage>(*bytes, listen_method));
        begin(message);
    }
}

void LogPublisher::begin(const pb::SubscriptionMessage& message) {
    const auto found = subscriptions_.find(message.id());
    if (message.close()) {
        if (found != subscriptions_.end()) { found->second->closed.cancel(); }
        return;
    }
    if (found != subscriptions_.end() || subscriptions_.size() >= subscriptions_max) { return; }
    auto subscription = std::make_shared<Subscription>(loop_);
    subscription->id = message.id();
    subscription->selector = message.selector();
    subscription->options = message.options();
    subscription->batch.set_subscription_id(message.id());
    subscriptions_[message.id()] = subscription;
    scope_.spawn(publish(subscription));
}

net::Task<void> LogPublisher::publish(SubscriptionPtr subscription) {
    auto call = channel_.open(publish_method);
    if (call) {
        subscription->call = std::move(*call);
        net::TaskScope pumps(loop_, subscription->closed);
        const auto pumped = co_await pump_all(subscription, &pumps);
        (void)pumped; // it was closed
        co_await pumps.close();
        const net::Until limit(loop_.in(goodbye_limit), scope_.cancel());
        pb::PublishLogsMessage last;
        last.set_subscription_id(subscription->id);
        last.set_close(true);
        auto bytes = print_message(last);
        auto told = co_await subscription->call->write(std::move(bytes), limit);
        if (told) { told = subscription->call->finish_writing(); }
        if (told) { (void)co_await subscription->call->read_only_message(limit); }
    }
    subscriptions_.erase(subscription->id);
}

/// Lines of all tasks that the selector means, also of those that come while it follows.
net::Task<Result<void>> LogPublisher::pump_all(SubscriptionPtr subscription,
                                               net::TaskScope* pumps) {
    const net::Until until(subscription->closed);
    for (;;) {
        for (auto& source : worker_.log_sources(subscription->selector, node_id_)) {
            if (!subscription->begun.insert(source.task_id).second) { continue; }
            pumps->spawn(pump(subscription, std::move(source)));
        }
        if (!subscription->options.follow()) { break; }
        const auto wake = co_await worker_.log_sources_changed().wait(until);
        CO_TRY(net::to_result(wake, "wait for tasks"));
    }
    co_await pumps->drain(until);
    co_return ok();
}

net::Task<void> LogPublisher::pump(SubscriptionPtr subscription, Worker::LogSource source) {
    const net::Until until(subscription->closed);
    const Worker::LogSource* from = &source;
    std::function<net::Task<Result<void>>(pb::LogMessage)> taker = [this, subscription,
                                                                    from](pb::LogMessage line) {
        return take(subscription, from, std::move(line));
    };
    const auto outcome =
        co_await source.controller->logs(subscription->options, std::move(taker), until);
    (void)outcome; // a log that cannot be read has no more lines
}

/// Lines that come while others are being sent go together.
net::Task<Result<void>> LogPublisher::take(SubscriptionPtr subscription,
                                           const Worker::LogSource* source, pb::LogMessage line) {
    const net::Until until(subscription->closed);
    while (subscription->batch_size >= batch_bytes) {
        const auto wake = co_await subscription->freed.wait(until);
        CO_TRY(net::to_result(wake, "send log lines"));
    }
    auto& context = *line.mutable_context();
    context.set_node_id(node_id_);
    context.set_task_id(source->task_id);
    context.set_service_id(source->service_id);
    subscription->batch_size += line.data().size() + 64;
    *subscription->batch.add_messages() = std::move(line);
    if (subscription->writing) { co_return ok(); }
    subscription->writing = true;
    auto outcome = co_await flush(subscription);
    subscription->writing = false;
    co_return outcome;
}

net::Task<Result<void>> LogPublisher::flush(SubscriptionPtr subscription) {
    const net::Until until(subscription->closed);
    while (subscription->batch.messages_size() > 0) {
        auto bytes = print_message(subscription->batch);
        subscription->batch.clear_messages();
        subscription->batch_size = 0;
        subscription->freed.wake_all();
        CO_TRY(co_await slow_down(subscription, bytes.size()));
        CO_TRY(co_await subscription->call->write(std::move(bytes), until));
    }
    co_return ok();
}

net::Task<Result<void>> LogPublisher::slow_down(SubscriptionPtr subscription, std::size_t bytes) {
    const auto burst = std::chrono::milliseconds(100);
    const auto cost = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(static_cast<double>(bytes) / bytes_per_second));
    const auto now = loop_.now();
    subscription->sent_until = std::max(subscription->sent_until, now) + cost;
    if (subscription->sent_until <= now + burst) { co_return ok(); }
    const net::Until until(Deadline(subscription->sent_until - burst), subscription->closed);
    const auto wake = co_await net::sleep(loop_, until);
    if (wake == net::Wake::Cancelled) { co_return net::to_result(wake, "send log lines"); }
    co_return ok();
}

} // namespace shoal::swarm
