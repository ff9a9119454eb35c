// LogPublisher: sends lines of this node's tasks to managers that ask for them, as long as a
// session lasts. It decides nothing about whose lines they are allowed to see: the broker asked.
#pragma once

#include "swarm/agent/worker.h"
#include "swarm/rpc/channel.h"

#include "net/lock.h"

namespace shoal::swarm {

class LogPublisher {
  public:
    LogPublisher(net::Loop& loop, Worker& worker, Channel& channel, std::string node_id)
        : loop_(loop), worker_(worker), channel_(channel), node_id_(std::move(node_id)),
          scope_(loop) {}

    /// Until the manager or `until` ends it. A manager that knows no logs is not asked again.
    net::Task<Result<void>> run(net::Until until);

  private:
    struct Subscription;
    using SubscriptionPtr = std::shared_ptr<Subscription>;

    net::Task<Result<void>> listen(net::Until until);
    void begin(const pb::SubscriptionMessage& message);
    net::Task<void> publish(SubscriptionPtr subscription);
    net::Task<Result<void>> pump_all(SubscriptionPtr subscription, net::TaskScope* pumps);
    net::Task<void> pump(SubscriptionPtr subscription, Worker::LogSource source);
    net::Task<Result<void>> take(SubscriptionPtr subscription, const Worker::LogSource* source,
                                 pb::LogMessage line);
    net::Task<Result<void>> flush(SubscriptionPtr subscription);
    net::Task<Result<void>> slow_down(SubscriptionPtr subscription, std::size_t bytes);

    net::Loop& loop_;
    Worker& worker_;
    Channel& channel_;
    std::string node_id_;
    std::map<std::string, SubscriptionPtr> subscriptions_;
    net::TaskScope scope_;
};

} // namespace shoal::swarm
