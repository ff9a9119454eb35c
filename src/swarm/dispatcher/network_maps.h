// NetworkMaps: the leader's side of what nodes follow of the cluster's networks: a stream to each
// node, what each has confirmed, and what waits for that (reachability.h). It is the dispatcher's
// part, which tells it of sessions; and it tells the dispatcher which tasks may be told to stop.
#pragma once

#include "swarm/dispatcher/node_map.h"
#include "swarm/dispatcher/reachability.h"
#include "swarm/store/writer.h"

#include "net/grpc.h"
#include "net/scope.h"
#include "net/signal.h"

namespace shoal::swarm {

class NetworkMaps final : private Confirmed {
  public:
    struct Parts {
        net::Loop& loop;
        const Store& store; ///< committed
        Writer& writer;
        /// This task is held no longer.
        std::function<void(const pb::Task& task)> let_go;
        std::function<void(std::string line)> say; ///< for the daemon's log; may be empty
    };
    explicit NetworkMaps(Parts parts);
    ~NetworkMaps();

    void begin(); ///< the store is complete and this manager leads
    void end();
    void observe(const Change& change);
    void flush();

    void session_began(const std::string& node_id);
    void session_ended(const std::string& node_id);
    /// One stream, to its end. `stop` is fired when the node opens another one.
    net::Task<Result<void>> follow(std::string node_id, net::GrpcCall* call, net::Cancel* stop);
    void applied(const std::string& node_id, const mpb::MapAppliedRequest& request);

    /// The task's node is not to hear yet that it is to stop.
    bool holds(const std::string& task_id) const { return reachability_.holds(task_id); }

  private:
    struct Follower;
    struct Place {
        std::uint64_t since = 0; ///< of the cluster's map
        NodePtr node;
    };

    // Confirmed.
    std::uint64_t known(const std::string& network_id) const override;
    std::set<std::string> laggards(const std::string& network_id,
                                   std::uint64_t sequence) const override;

    std::vector<Place> places_on(const std::string& network_id) const;
    bool is_awaited(const pb::Node& node) const;
    std::uint64_t known(const Place& place) const;
    std::string shown(const pb::Node& node) const;
    net::Task<Result<void>> send(Follower* follower, net::GrpcCall* call);
    net::Task<void> watch(net::Until until);
    net::Task<void> write(net::Until until);
    void judge();
    void say(std::string line) const;

    Parts parts_;
    ClusterMap map_;
    Reachability reachability_;
    std::map<std::string, Follower*, std::less<>> followers_; ///< by node
    /// By node: since when it has had a session and has not followed; nothing: its session has
    /// ended. A node that has not come to this leader yet is not here.
    std::map<std::string, std::optional<Steady>, std::less<>> expected_;
    std::uint64_t streams_ = 0;
    Steady began_{};
    net::Signal judge_now_;
    std::optional<Steady> next_judgement_;
    std::map<std::string, std::set<std::string>> reachable_; ///< to be written: task -> laggards
    net::Signal reachable_added_;
    std::unique_ptr<net::TaskScope> office_; ///< what runs between begin() and end()
};

/// Marks tasks that run and are wanted; one with laggards says so.
void mark_reachable(Tx& tx, const std::map<std::string, std::set<std::string>>& tasks);

} // namespace shoal::swarm
