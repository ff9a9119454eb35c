// LogHost: how this node's member of the replicated log is run. The real one is an etcd child
// (member/etcd_host.h), the simulator's a member of a fake cluster.
#pragma once

#include "swarm/store/log.h"

namespace shoal::swarm {

struct LogStart {
    enum class How {
        New,     ///< the first member of a new log
        Join,    ///< what the others have been told of; `members` are all of them
        Again,   ///< it was here before
        ForceNew ///< what is here, as the only member from now on
    };
    How how = How::Again;
    std::string name; ///< of the member: the node's id
    std::string peer_url;
    std::string listen_address; ///< host:port for the other members
    std::vector<LogMember> members;
    std::string ca_cert, cert, key; ///< PEM, for the traffic between members
    std::uint32_t heartbeat_ms = 0; ///< 0: the default
    std::uint32_t election_ms = 0;
    std::uint64_t snapshot_interval = 0; ///< entries; 0: the default
};

class LogHost {
  public:
    virtual ~LogHost() = default;
    /// Running when it returns, though perhaps without a leader yet. The Log is the host's and
    /// lives until stop().
    /// Fails: Forbidden when the others have removed this member.
    virtual net::Task<Result<Log*>> start(LogStart how, net::Until until) = 0;
    virtual net::Task<void> stop() = 0;
    /// Ends what an earlier daemon has left running, where stop() knows of none.
    virtual net::Task<void> end_left_over() { co_return; }
    /// What runs shows the others these certificates from now on.
    virtual Result<void> use_certificates(const LogStart&) { return ok(); }
    /// What runs goes on at this pace; restarted for it if need be.
    virtual net::Task<Result<void>> apply(LogStart, net::Until) { co_return ok(); }
    /// Keeps what runs fit, until cancelled; what does not go well is tried again. Not every log
    /// needs it.
    virtual net::Task<void> tend(net::Until) { co_return; }
    /// Nothing is left of it on this node. It must not run.
    virtual Result<void> erase() = 0;
    /// There is something to start Again from.
    virtual bool has_data() const = 0;
    /// It ended because the other members have removed this one, for good. False after stop().
    virtual bool was_removed() const { return false; }
    /// Why it does not run, with the remedy; "" when it does.
    virtual std::string trouble() const = 0;
};

} // namespace shoal::swarm
