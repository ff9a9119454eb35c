// Manager: everything that makes a node a manager, put together: the replica of the state, the
// writer and the reconcilers when it leads, dispatcher, certificates, membership, and the server on
// which nodes call. It does not know how its log is run, where certificates lie, or what HTTP is:
// see swarm/member.
#pragma once

#include "swarm/ca/authority.h"
#include "swarm/dispatcher/dispatcher.h"
#include "swarm/dispatcher/log_broker.h"
#include "swarm/manager/leadership.h"
#include "swarm/manager/membership.h"
#include "swarm/manager/reach.h"
#include "swarm/manager/resource_allocator.h"
#include "swarm/manager/roles.h"
#include "swarm/rpc/channel.h"
#include "swarm/rpc/server.h"
#include "swarm/store/backup.h"

namespace shoal::swarm {

struct ManagerSeams {
    net::Loop& loop;
    const Clock& clock;
    Random& random;
    Log& log;
    Sealer& sealer;
    std::function<std::vector<mpb::DataKey>()> data_keys;
    Transport& transport;
    std::function<void(std::string line)> say{}; ///< for the daemon's log; may be empty
};

class Manager final : public LeaderRoute, private LeaderDuties, private MemberGifts {
  public:
    Manager(ManagerSeams seams, std::string node_id, std::string cluster_id);
    ~Manager() override;

    /// Whoever uses a manager across waits, and is not waited for by run(), holds one of these and
    /// gives up when gone() fires; drain() waits for all of them.
    class Use {
      public:
        explicit Use(Manager& manager) : manager_(&manager) { ++manager.users_; }
        Use(Use&& other) noexcept : manager_(std::exchange(other.manager_, nullptr)) {}
        Use& operator=(Use&&) = delete;
        ~Use();

      private:
        Manager* manager_;
    };
    net::Cancel& gone() { return gone_; }
    net::Task<void> drain();

    /// Until cancelled. Fails when the log's content cannot be read with our keys.
    net::Task<Result<void>> run(net::Until until);

    const Store& store() const { return replica_.store(); }
    net::Flag& when_loaded() { return replica_.when_loaded(); }
    Writer& writer() { return writer_; }
    LogBroker& log_broker() { return broker_; }
    /// After the log shows everything that is written now, by whomever.
    net::Task<Result<void>> catch_up(net::Until until);
    /// Everything in the log at this moment and the keys to read it. Unavailable without a quorum.
    net::Task<Result<Backup>> take_backup(net::Until until);
    /// For copies that only this cluster's managers can read.
    SecretKey snapshot_key() const;
    /// Node id of the leader; "" when there is none.
    std::string leader_id() const;
    /// Why writes do not get through, alarms of the log: for people; "" when all is well.
    std::string trouble() const;
    const std::optional<LogStatus>& log_status() const { return leadership_.status(); }

    /// Hears of every committed change, on the leader and elsewhere; several are possible.
    using Told = std::function<void(const std::vector<Change>&)>;
    void subscribe(Told told) { told_.push_back(std::move(told)); }
    /// What is done with a connection to the leader's API that another manager opens.
    void on_tunnel(std::function<void(net::StreamPtr)> take) { tunnel_ = std::move(take); }
    /// A connection to the leader's API.
    net::Task<Result<net::StreamPtr>> open_tunnel(net::Until until);
    /// Who may call what, for tests.
    const RpcServer& server() const { return server_; }

    // LeaderRoute.
    bool leads() const override { return writer_.leads(); }
    net::Task<Result<std::shared_ptr<Channel>>> leader(net::Until until) override;
    bool is_removed(const std::string& node_id) const override;
    Role present_role(const std::string& node_id) const override;
    std::string cluster_id() const override { return cluster_id_; }

  private:
    // LeaderDuties.
    std::vector<Reconciler*> reconcilers() override;
    void began() override;
    net::Task<void> ended() override;
    void leader_changed() override;
    // MemberGifts.
    Result<std::string> sign(const std::string& csr, const std::string& node_id,
                             const std::string& host) override;
    std::vector<mpb::DataKey> data_keys() const override;

    net::Task<std::shared_ptr<Channel>> reach_leader(net::Until until);
    void hear(const std::vector<Change>& changes);
    bool is_in_log() const;
    void add_services();
    net::Task<Result<void>> take_tunnel(net::GrpcCall* call, Caller caller, net::Until until);
    net::Task<void> follow_log(net::Until until);
    net::Task<void> follow_leadership(net::Until until);

    struct Parts; ///< the reconcilers

    ManagerSeams seams_;
    std::string node_id_;
    std::string cluster_id_;
    Replica replica_;
    LeaderWriter writer_;
    std::unique_ptr<Parts> parts_;
    Leadership leadership_;
    Membership membership_;
    RoleKeeper roles_;
    ManagerReach reach_;
    Authority authority_;
    Dispatcher dispatcher_;
    LogBroker broker_;
    ResourceAllocator attachments_;
    RpcServer server_;
    std::shared_ptr<Channel> leader_channel_;
    net::Cancel* attempt_ = nullptr; ///< ends reach_leader() when somebody else leads
    net::Lock connecting_;
    std::vector<Told> told_;
    std::function<void(net::StreamPtr)> tunnel_;
    std::unique_ptr<net::TaskScope> office_; ///< what runs while this manager leads
    std::optional<Error> broken_;
    net::Cancel gone_;
    std::size_t users_ = 0;
    net::WaitQueue unused_;
};

} // namespace shoal::swarm
