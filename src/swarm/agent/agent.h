// Agent: a node's side of the cluster. It finds a manager, keeps a session with it, looks after the
// node's tasks, and finds another one when that ends; its tasks run on meanwhile. It issues no
// certificates and decides no roles: it tells whoever does.
#pragma once

#include "swarm/agent/remotes.h"
#include "swarm/agent/session.h"

#include <deque>

namespace shoal::swarm {

class Agent {
  public:
    struct Settings {
        AgentSession::Settings session;
        std::chrono::nanoseconds backoff_min = std::chrono::milliseconds(100);
        std::chrono::nanoseconds backoff_max = std::chrono::seconds(8);
        std::chrono::nanoseconds connect_timeout = std::chrono::seconds(2);
        /// It doubles with each connection that took too long, until one is made as fast as usual.
        std::chrono::nanoseconds connect_timeout_max = std::chrono::seconds(10);
        TaskRunner::Settings tasks;
    };
    struct Parts {
        net::Loop& loop;
        const Clock& clock;
        Random& random;
        Transport& transport;
        Executor& executor;
        TaskMemory& memory;
    };
    /// News of the cluster, for those who own what it concerns. Each may be empty.
    struct Hooks {
        std::function<pb::NodeTLSInfo()> tls_info;
        std::function<void(const pb::Node&)> node; ///< this one, as the managers have it
        std::function<void(const std::vector<pb::Peer>&)> managers;
        std::function<void(const std::string& pem)> root_ca;
        std::function<void(const std::vector<pb::EncryptionKey>&)> keys;
    };
    Agent(Parts parts, Hooks hooks, Settings settings);

    /// A manager to begin with, host:port.
    void add_manager(const std::string& address);
    /// Until cancelled; the node's tasks stay as they are. Fails when what it remembers of its
    /// tasks cannot be read.
    net::Task<Result<void>> run(net::Until until);
    /// The node leaves the cluster: its tasks are removed and the managers told as far as they can
    /// be reached. While run() runs.
    net::Task<Result<void>> leave(net::Until until);
    /// The description may have changed.
    void describe_now() { describe_now_.raise(); }

    struct State {
        bool in_session = false;
        std::string manager; ///< of the session, or the last one tried
        std::string error;   ///< why there is none
    };
    const State& state() const { return state_; }
    std::vector<std::string> managers() const { return remotes_.addresses(); }
    Worker& worker() { return worker_; }

  private:
    net::Task<Result<void>> attempt(std::string address, net::Until until);
    net::Task<void> pause(net::Until until);
    net::Task<std::optional<std::string>> next_manager(net::Until until);
    net::Task<void> wait_for_rate(net::Until until);
    net::Task<Result<std::unique_ptr<Channel>>> connect(std::string address, net::Until until);
    void take_message(const pb::SessionMessage& message);
    std::chrono::nanoseconds backoff_limit() const;

    Parts parts_;
    Hooks hooks_;
    Settings settings_;
    PendingStatuses pending_;
    Worker worker_;
    Remotes remotes_;
    net::Signal remotes_changed_;
    net::Signal describe_now_;
    State state_;
    AgentSession* session_ = nullptr; ///< while there is one
    bool leaving_ = false;
    std::string last_failed_;
    bool managers_are_shoal_ = false;
    std::chrono::nanoseconds backoff_{};
    int slow_connections_ = 0; ///< that took too long; none was fast since
    int patience_ = 1;         ///< grows when managers are found silent one after the other
    Steady last_session_{};    ///< when the last one ended
    std::deque<Steady> registrations_;
};

/// How long a connection may take after so many in a row that took too long: where everything is
/// slow, who gives up early makes it slower.
std::chrono::nanoseconds connect_time(const Agent::Settings& settings, int too_slow);
/// When another registration may be sent; stock managers refuse nodes that come too often.
Steady next_registration(const std::deque<Steady>& past, Steady now);

} // namespace shoal::swarm
