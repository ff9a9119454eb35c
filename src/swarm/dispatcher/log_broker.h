// LogBroker: the leader's side of logs: a client's question for the lines of some tasks becomes a
// subscription on the nodes that have them, and what these send goes to the client. It keeps no
// lines beyond a small queue: who does not read makes the nodes wait. Whether a client may ask is
// not decided here.
#pragma once

#include "swarm/rpc/server.h"
#include "swarm/store/store.h"

#include "swarm/proto/logbroker.pb.h"

#include "net/signal.h"

#include <deque>

namespace shoal::swarm {

/// How LogSubscriptionOptions.tail says "the last n lines": -(n + 1). 0, the default, means all.
std::int64_t encode_tail(std::uint64_t lines);

class LogBroker {
  public:
    LogBroker(net::Loop& loop, Random& random, const Store& store)
        : loop_(loop), random_(random), store_(store) {}

    /// As the dispatcher: it serves while this manager leads.
    void begin() { serving_ = true; }
    void end();
    /// A committed change, after it is in the store.
    void observe(const Change& change);

    using Take = std::function<net::Task<Result<void>>(pb::SubscribeLogsMessage)>;
    /// Lines in order of arrival, to `take`, until the client has enough (`until`) or, without
    /// follow, all nodes have sent theirs. When some could not, the lines are followed by an error
    /// whose text begins with "warning: incomplete log stream". Invalid for an empty selector.
    net::Task<Result<void>> subscribe(pb::LogSelector selector, pb::LogSubscriptionOptions options,
                                      Take take, net::Until until);

    // The public protocol's calls.
    net::Task<Result<void>> subscribe_logs(net::GrpcCall& call, const Caller& caller,
                                           net::Until until);
    net::Task<Result<void>> listen_subscriptions(net::GrpcCall& call, const Caller& caller,
                                                 net::Until until);
    net::Task<Result<void>> publish_logs(net::GrpcCall& call, const Caller& caller,
                                         net::Until until);
    void register_with(RpcServer& server);

    std::size_t subscriptions() const { return subscriptions_.size(); }

  private:
    struct Subscription;
    struct Listener;
    using SubscriptionPtr = std::shared_ptr<Subscription>;

    Result<void> check(const Caller& caller) const;
    void ask_nodes(const SubscriptionPtr& subscription);
    void ask_node(const SubscriptionPtr& subscription, const std::string& node_id);
    void post(Listener& listener, pb::SubscriptionMessage message);
    void tell_closed(const SubscriptionPtr& subscription);
    net::Task<Result<void>> deliver(SubscriptionPtr subscription, Take take, net::Until until);
    net::Task<Result<void>> send_subscriptions(Listener* listener, net::GrpcCall* call);
    net::Task<Result<void>> receive(SubscriptionPtr subscription, pb::PublishLogsMessage first,
                                    std::string node_id, net::GrpcCall* call, net::Until until);
    net::Task<Result<void>> take_lines(SubscriptionPtr subscription, const std::string* node_id,
                                       pb::PublishLogsMessage message, net::Until until);
    Result<bool> may_publish(const Subscription& subscription, const std::string& node_id,
                             const pb::LogMessage& line) const;
    void listener_lost(const std::string& node_id);

    net::Loop& loop_;
    Random& random_;
    const Store& store_;
    bool serving_ = false;
    std::map<std::string, SubscriptionPtr> subscriptions_;
    std::map<std::string, Listener*> listeners_; ///< by node
};

} // namespace shoal::swarm
