#include "node/log_source.h"

#include "net/scope.h"

#include <deque>

namespace shoal::node {
namespace {

using Lines = std::vector<swarm::pb::LogMessage>;
constexpr std::size_t waiting_max = 64; ///< pieces that nobody has read yet

struct Queue {
    explicit Queue(net::Loop& loop) : added(loop), taken(loop) {}
    std::deque<Lines> waiting;
    std::optional<Result<void>> end;
    net::Signal added;
    net::Signal taken;
};

net::Task<Result<void>> put(std::shared_ptr<Queue> queue, net::Cancel* cancel,
                            swarm::pb::SubscribeLogsMessage message) {
    while (queue->waiting.size() >= waiting_max) {
        const net::Wake wake = co_await queue->taken.wait(net::Until(*cancel));
        if (wake != net::Wake::Raised) { co_return net::to_result(wake, "logs"); }
    }
    queue->waiting.emplace_back(message.messages().begin(), message.messages().end());
    queue->added.raise();
    co_return ok();
}

class BrokerSource final : public swarm::LogSource {
  public:
    BrokerSource(net::Loop& loop, swarm::Manager& manager, swarm::pb::LogSelector selector,
                 swarm::pb::LogSubscriptionOptions options)
        : queue_(std::make_shared<Queue>(loop)), scope_(loop) {
        scope_.cancel().follow(manager.gone());
        scope_.spawn(subscribe(&manager, swarm::Manager::Use(manager), std::move(selector),
                               std::move(options)));
    }

    net::Task<Result<Lines>> read(net::Until until) override {
        while (queue_->waiting.empty()) {
            if (queue_->end && !*queue_->end) {
                const Error problem = queue_->end->error();
                queue_->end = ok(); // told once
                co_return problem;
            }
            if (queue_->end) { co_return Lines(); }
            const net::Wake wake = co_await queue_->added.wait(until);
            if (wake != net::Wake::Raised) { co_return net::to_result(wake, "logs").error(); }
        }
        Lines lines = std::move(queue_->waiting.front());
        queue_->waiting.pop_front();
        queue_->taken.raise();
        co_return lines;
    }

  private:
    net::Task<void> subscribe(swarm::Manager* manager, swarm::Manager::Use,
                              swarm::pb::LogSelector selector,
                              swarm::pb::LogSubscriptionOptions options) {
        const auto queue = queue_;
        net::Cancel* const cancel = &scope_.cancel();
        swarm::LogBroker::Take take = [queue, cancel](swarm::pb::SubscribeLogsMessage message) {
            return put(queue, cancel, std::move(message));
        };
        queue->end = co_await manager->log_broker().subscribe(
            std::move(selector), std::move(options), std::move(take), net::Until(*cancel));
        queue->added.raise();
    }

    std::shared_ptr<Queue> queue_;
    net::TaskScope scope_;
};

} // namespace

std::unique_ptr<swarm::LogSource> make_log_source(net::Loop& loop, swarm::Manager& manager,
                                                  swarm::pb::LogSelector selector,
                                                  swarm::pb::LogSubscriptionOptions options) {
    return std::make_unique<BrokerSource>(loop, manager, std::move(selector), std::move(options));
}

} // namespace shoal::node
