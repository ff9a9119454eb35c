// Dispatcher: the leader's side of the connections to all nodes. It knows which nodes are there and
// writes down when one comes or goes, tells each its tasks and what they need (and nothing of
// others), and takes in what nodes report of their own tasks. It does not decide what runs where.
// It serves only between begin() and end(), from a store that is complete.
#pragma once

#include "swarm/dispatcher/liveness.h"
#include "swarm/dispatcher/network_maps.h"
#include "swarm/dispatcher/node_assignments.h"
#include "swarm/dispatcher/node_status.h"
#include "swarm/rpc/server.h"

#include "net/scope.h"
#include "net/signal.h"

#include <deque>

namespace shoal::swarm {

class Dispatcher {
  public:
    struct Settings {
        std::string node_id;       ///< of this manager: who applied a report
        std::string shoal_version; ///< told to agents
        std::chrono::nanoseconds orphan_after = std::chrono::hours(24);
    };
    struct Parts {
        net::Loop& loop;
        const Clock& clock;
        Random& random;
        const Store& store; ///< committed
        Writer& writer;
        std::function<void(std::string line)> say{}; ///< for the daemon's log; may be empty
    };
    Dispatcher(Parts parts, Settings settings);

    ~Dispatcher();

    /// From now on it serves: the store is loaded and this manager leads.
    void begin();
    /// Ends all sessions; nodes look for the next leader. Not inside one of its calls.
    void end();
    bool serving() const { return serving_; }

    /// A committed change, after it is in the store; flush() when a transaction's are through.
    void observe(const Change& change);
    void flush();

    // The public protocol's calls; the methods that register_with() adds.
    net::Task<Result<void>> session(net::GrpcCall& call, const Caller& caller, net::Until until);
    net::Task<Result<void>> heartbeat(net::GrpcCall& call, const Caller& caller, net::Until until);
    net::Task<Result<void>> assignments(net::GrpcCall& call, const Caller& caller,
                                        net::Until until);
    net::Task<Result<void>> update_task_status(net::GrpcCall& call, const Caller& caller,
                                               net::Until until);
    net::Task<Result<void>> update_volume_status(net::GrpcCall& call, const Caller& caller,
                                                 net::Until until);
    net::Task<Result<void>> tasks(net::GrpcCall& call, const Caller& caller, net::Until until);
    // Ours: the cluster's networks.
    net::Task<Result<void>> follow_map(net::GrpcCall& call, const Caller& caller, net::Until until);
    net::Task<Result<void>> map_applied(net::GrpcCall& call, const Caller& caller,
                                        net::Until until);
    void register_with(RpcServer& server);

    std::size_t sessions() const { return sessions_.size(); }

  private:
    struct Session;
    struct Assigning;
    using SessionPtr = std::shared_ptr<Session>;
    struct StateChange {
        NodeState state;
        std::uint64_t turn; ///< of the node, when it was noted
    };

    Result<void> check(const Caller& caller) const;
    Result<SessionPtr> find(const Caller& caller, const std::string& session_id) const;
    Result<void> admit(const Caller& caller, AgentKind kind);
    SessionPtr begin_session(const Caller& caller, AgentKind kind, const std::string& run);
    void end_session(const SessionPtr& session, Error why);
    bool is_current(const SessionPtr& session) const;
    net::Task<Result<void>> register_in_store(SessionPtr session, pb::NodeDescription description,
                                              std::string address, net::Until until);
    net::Task<Result<void>> send_messages(SessionPtr session, net::GrpcCall* call,
                                          net::Until until);
    pb::SessionMessage message_for(const Session& session) const;
    void connection_lost(const SessionPtr& session);
    void heard_of(const SessionPtr& session);
    void expect(const std::string& node_id, Steady by);
    void goes_away(const SessionPtr& session, std::chrono::nanoseconds absence);
    net::Task<Result<void>> send_assignments(Assigning* assigning, net::GrpcCall* call);
    net::Task<void> settle(Assigning* assigning);

    net::Task<void> watch_silence(net::Until until);
    net::Task<void> write_states(net::Until until);
    net::Task<void> watch_orphans(net::Until until);
    void set_state(const std::string& node_id, pb::NodeStatus::State state, std::string message);
    std::map<std::string, NodeState> current(const std::map<std::string, StateChange>& all) const;
    Pulse pulse(AgentKind kind) const;
    Pulse pulse_of_session(const Session& session) const;
    void let_go(const pb::Task& task);
    void observe_task(const Change& change);
    void observe_dependency(const Change& change);
    void observe_node(const Change& change);
    void forget_node(const std::string& node_id);
    void observe_cluster(const Change& change);
    void rebuild_managers();

    Parts parts_;
    Settings settings_;
    NetworkMaps maps_;
    bool serving_ = false;
    std::map<std::string, SessionPtr, std::less<>> sessions_;  ///< by node
    std::map<std::string, Assigning*, std::less<>> assigning_; ///< by node
    std::map<std::string, std::deque<Steady>> registrations_;  ///< by node, the last ones
    std::map<std::string, std::uint64_t> turns_; ///< by node: a state noted before is stale
    // Whose streams have news at the next flush(): by node.
    std::set<std::string> sessions_touched_;
    bool all_sessions_touched_ = false;
    std::set<std::string> assignments_touched_;
    std::vector<pb::WeightedPeer> managers_;
    Liveness liveness_;
    Patience patience_;
    std::optional<Steady> next_look_; ///< at who is overdue
    net::Signal looks_earlier_;
    std::map<std::string, StateChange> states_; ///< to be written
    net::Signal states_added_;
    std::unique_ptr<net::TaskScope> office_; ///< what runs while it serves
};

} // namespace shoal::swarm
