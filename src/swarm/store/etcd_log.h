// EtcdLog: the Log that is etcd, spoken to by gRPC over the unix socket of this machine's own
// member. It keeps one connection for all calls and makes it anew when it is lost; a call that was
// under way then fails. It neither starts etcd (store/etcd_process.h) nor retries writes.
#pragma once

#include "swarm/store/etcd_errors.h"
#include "swarm/store/log.h"

#include "net/grpc.h"
#include "net/lock.h"
#include "net/scope.h"

namespace shoal::swarm {

class EtcdLog final : public Log {
  public:
    EtcdLog(net::Loop& loop, std::string socket_path);
    /// No call may be under way; watches may live on, and fail.
    ~EtcdLog() override;

    net::Task<Result<LogCommit>> commit(LogTxn txn, net::Until until) override;
    net::Task<Result<Listing>> list(std::string prefix, net::Until until) override;
    net::Task<Result<std::optional<LogEntry>>> get(std::string key, net::Until until) override;
    net::Task<Result<std::unique_ptr<LogWatch>>> watch(std::string prefix, std::int64_t revision,
                                                       net::Until until) override;
    net::Task<Result<LogStatus>> status(net::Until until) override;
    net::Task<Result<std::vector<LogMember>>> members(net::Until until) override;
    net::Task<Result<LogMember>> add_learner(std::string peer_url, net::Until until) override;
    net::Task<Result<void>> promote(std::string member_id, net::Until until) override;
    net::Task<Result<void>> set_peer_url(std::string member_id, std::string peer_url,
                                         net::Until until) override;
    net::Task<Result<void>> remove(std::string member_id, net::Until until) override;
    net::Task<Result<void>> move_leader(std::string member_id, net::Until until) override;
    net::Task<Result<void>> snapshot(std::function<Result<void>(std::string_view)> take,
                                     net::Until until) override;

    // What only etcd needs.
    /// Forgets what was written before `revision`, but for the last of each key.
    net::Task<Result<void>> compact(std::int64_t revision, net::Until until);
    /// Gives the disk back what compaction freed; this member answers nothing meanwhile.
    net::Task<Result<void>> defragment(net::Until until);
    /// Takes back the alarm that there is no space, of all members, once there is some again.
    net::Task<Result<void>> clear_space_alarms(net::Until until);

    /// Ends the connection and waits for it; the next call makes a new one.
    net::Task<void> disconnect();

  private:
    using ConnectionPtr = std::shared_ptr<net::Http2Connection>;
    net::Task<Result<ConnectionPtr>> connection(net::Until until);
    net::Task<void> run(ConnectionPtr connection);
    net::Task<Result<std::string>> call(std::string method, std::string request, CallKind kind,
                                        net::Until until);
    struct Page {
        std::string from; ///< first key
        std::string end;
        std::int64_t revision = 0; ///< 0: the newest
        std::int64_t entries_max = 0;
    };
    struct PageRead {
        std::vector<LogEntry> entries;
        std::int64_t revision = 0;
        bool more = false;
        std::size_t bytes = 0;
    };
    net::Task<Result<PageRead>> read_page(Page page, net::Until until);
    net::Task<Result<Listing>> list_once(std::string prefix, net::Until until);

    net::Loop& loop_;
    std::string socket_path_;
    net::Lock connecting_;
    ConnectionPtr connection_;
    net::TaskScope scope_;
};

/// The end of the range of all keys that begin with `prefix`.
std::string range_end_of(std::string_view prefix);

} // namespace shoal::swarm
