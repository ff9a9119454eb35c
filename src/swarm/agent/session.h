// AgentSession: what happens between a node and one manager, from registration until either side
// ends it: heartbeats, assignments in, task states out, logs, news of the cluster. It does not
// choose managers and does not come back: the agent makes another one.
#pragma once

#include "swarm/agent/worker.h"
#include "swarm/rpc/channel.h"

namespace shoal::swarm {

/// Task states that the managers have not confirmed yet: of each task the last one.
class PendingStatuses {
  public:
    explicit PendingStatuses(net::Loop& loop) : added(loop), idle(loop) {}
    void add(const std::string& task_id, const pb::TaskStatus& status);
    /// At most so many; they are under way until confirm() or put_back().
    std::vector<Worker::Status> take(std::size_t count_max);
    void confirm();
    void put_back(std::vector<Worker::Status> taken); ///< newer ones stay
    bool empty() const { return waiting_.empty() && under_way_ == 0; }
    std::size_t waiting() const { return waiting_.size(); }
    net::Signal added;
    net::WaitQueue idle; ///< woken when nothing is left to tell

  private:
    std::map<std::string, pb::TaskStatus> waiting_;
    std::size_t under_way_ = 0;
};

class AgentSession {
  public:
    struct Settings {
        std::string node_id;
        std::string shoal_version; ///< "" passes for a stock engine
        std::string run;           ///< another one for each agent
        std::string data_path_address;
        std::chrono::nanoseconds answer_timeout = std::chrono::seconds(5);
        std::chrono::nanoseconds describe_every = std::chrono::seconds(20);
        int patience = 1; ///< so many times as long as usual may a heartbeat's answer take
        /// Told to the manager when this agent stops on purpose; 0: not told.
        std::chrono::nanoseconds absence{};
    };
    struct Parts {
        net::Loop& loop;
        Executor& executor;
        Worker& worker;
        PendingStatuses& pending;
        Channel& channel;
        net::Signal& describe_now;
        std::function<pb::NodeTLSInfo()> tls_info;
        /// Every message of the session, the first one included.
        std::function<void(const pb::SessionMessage&)> told;
    };
    AgentSession(Parts parts, Settings settings);

    /// The reason for its end; success only for `until`.
    net::Task<Result<void>> run(net::Until until);
    bool registration_sent() const { return registration_sent_; }
    bool registered() const { return !id_.empty(); }
    /// It ended because the node's description has changed: another one is due at once.
    bool description_changed() const { return description_changed_; }
    /// It does not come back: its end is not announced as an absence.
    void leaves() { settings_.absence = {}; }

  private:
    net::Task<Result<pb::NodeDescription>> describe(net::Until until);
    net::Task<Result<void>> open(net::Until until);
    void begin_parts();
    net::Task<void> part(net::Task<Result<void>> what);
    net::Task<Result<void>> read_messages(net::Until until);
    net::Task<Result<pb::SessionMessage>> read_message(net::Until until);
    void take_message(const pb::SessionMessage& message);
    net::Task<Result<void>> beat(net::Until until);
    net::Task<Result<void>> follow_assignments(net::Until until);
    net::Task<Result<void>> follow_one_stream(net::Until until);
    net::Task<Result<void>> report_statuses(net::Until until);
    net::Task<Result<void>> report(const std::vector<Worker::Status>& updates, net::Until until);
    net::Task<Result<void>> watch_description(net::Until until);
    net::Task<Result<void>> publish_logs(net::Until until);
    net::Task<Result<void>> follow_networks(net::Until until);
    net::Task<void> say_goodbye();

    Parts with_;
    Settings settings_;
    std::string id_;
    bool registration_sent_ = false;
    bool description_changed_ = false;
    bool manager_is_shoal_ = false;
    std::string description_; ///< as it was sent
    net::GrpcCallPtr messages_;
    std::optional<Result<void>> outcome_;
    net::Flag ended_;
    net::TaskScope scope_;
};

/// Whether an increment fits behind what was received before; complete sets always do.
bool fits(const pb::AssignmentsMessage& message, std::string_view received);

} // namespace shoal::swarm
