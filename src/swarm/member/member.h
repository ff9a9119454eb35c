// Member: this node's life in a cluster: made, joined, promoted, demoted, renewed, locked, left. It
// owns what the role asks for (an agent always, a manager when it is one) and keeps what must
// survive a restart in one directory. It knows neither HTTP nor the engine; the simulator runs the
// same code.
#pragma once

#include "swarm/agent/agent.h"
#include "swarm/agent/task_memory.h"
#include "swarm/ca/founding.h"
#include "swarm/ca/key_file.h"
#include "swarm/manager/manager.h"
#include "swarm/member/keys_sealer.h"
#include "swarm/member/log_host.h"
#include "swarm/member/member_state.h"
#include "swarm/store/backup.h"

namespace shoal::swarm {

inline constexpr auto swarm_locked =
    "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"docker swarm "
    "unlock\" to unlock it.";
/// Why a manager should not simply leave.
std::string leave_warning(const Manager& manager);
/// Where a node's member in the log is reached: the port behind the node's own.
std::string peer_address_of(const std::string& address);

/// How long after the n-th failure in a row a node's role is taken up again, n from 1.
std::chrono::seconds retry_pause_after(int failures);

enum class MemberState { Inactive, Pending, Active, Error, Locked };
std::string_view name_of(MemberState state); ///< "inactive"

/// One for the agent, and one for each time the node becomes a manager.
using MakeTransport = std::function<std::unique_ptr<Transport>(CredentialsPtr credentials)>;

struct MemberSeams {
    net::Loop& loop;
    const Clock& clock;
    Random& random;
    Executor& executor;
    TaskMemory& memory;
    LogHost& log_host;
    MakeTransport make_transport;
    std::string directory; ///< for keys, certificates and the node's own state
    std::function<void(std::string)> log;
};

struct MemberInit {
    std::string listen_address;    ///< host:port
    std::string advertise_address; ///< host:port, resolved
    std::string data_path_address;
    std::uint32_t data_path_port = 0;
    std::vector<std::string> default_address_pools;
    std::uint32_t subnet_size = 0;
    pb::ClusterSpec spec;
    pb::NodeSpec::Availability availability = pb::NodeSpec::ACTIVE;
    bool force_new_cluster = false;
};

/// A cluster that was lost, begun again on this node.
struct MemberRestore {
    Backup backup;
    std::string listen_address;    ///< host:port
    std::string advertise_address; ///< host:port, resolved
    std::string data_path_address;
};

struct MemberJoin {
    std::vector<std::string> remote_addresses;
    std::string token;
    std::string listen_address;
    std::string advertise_address; ///< "" host: where the managers see us come from
    std::string data_path_address;
    pb::NodeSpec::Availability availability = pb::NodeSpec::ACTIVE;
};

class Member {
  public:
    explicit Member(MemberSeams seams);
    ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    /// Takes up what was here before the restart. Never fails: what is wrong shows in state() and
    /// error(), and is tried again when it may pass (an address that comes later, a port in use).
    net::Task<void> start();
    /// The daemon stops; the node stays a member.
    net::Task<void> stop();

    /// The node's id. Unavailable "This node is already part of a swarm ..." when it is.
    net::Task<Result<std::string>> init(MemberInit request, net::Until until);
    /// The same for the cluster of a back-up, with its roots, tokens and objects: this node, under
    /// a new id, is its only manager, and those that were are workers from now on. A crash
    /// meanwhile leaves the node in no cluster.
    net::Task<Result<std::string>> restore(MemberRestore request, net::Until until);
    /// Timeout: it goes on in the background.
    net::Task<Result<void>> join(MemberJoin request, net::Until until);
    net::Task<Result<void>> leave(bool force, net::Until until);
    net::Task<Result<void>> unlock(std::string key, net::Until until);

    MemberState state() const { return state_; }
    const std::string& error() const { return error_; }
    const std::string& node_id() const { return saved_.node_id; }
    const std::string& address() const { return saved_.advertise_address; }
    /// Of managers, as far as this node knows them: (node id, host:port).
    std::vector<std::pair<std::string, std::string>> remote_managers() const;
    bool certificate_has_expired() const;
    /// Of the roots this node trusts; Invalid outside a cluster.
    Result<pb::NodeTLSInfo> tls_info() const;
    bool is_manager() const { return manager_ != nullptr; }
    Manager* manager() { return manager_.get(); } ///< null on a worker
    /// One call in this node's name to a manager that can be reached: the bytes of the answer.
    /// Unavailable when there is none, outside a cluster, and when the node leaves it meanwhile.
    net::Task<Result<std::string>> ask_a_manager(std::string method, std::string request,
                                                 net::Until until);
    /// Called after every change of state() or of manager().
    void on_change(std::function<void()> told) { changed_ = std::move(told); }

  private:
    // What a role asks for.
    net::Task<Result<void>> take_up(net::Until until);
    void try_again_later(const Error& why);
    net::Task<void> keep_trying(net::Until until);
    net::Task<Result<void>> try_again(net::Until until);
    net::Task<void> stop_trying();
    void start_agent();
    net::Task<Result<void>> start_manager(LogStart how, net::Until until);
    net::Task<Result<void>> start_restored(LogStart how, Backup content, net::Until until);
    Result<void> serve_as_manager(Log* log, std::unique_ptr<Transport> transport);
    net::Task<void> stop_agent();
    net::Task<void> stop_manager();
    net::Task<void> run_agent();
    net::Task<void> run_manager();
    LogStart log_start(LogStart::How how) const;

    // Beginning.
    struct Founding;
    net::Task<Result<void>> found_cluster(MemberInit request, net::Until until);
    bool may_be_forced() const;
    net::Task<Result<void>> found_again(MemberRestore request, net::Until until);
    net::Task<Result<void>> begin_alone(Founding founding, net::Until until);
    Result<void> keep_first_keys(const Founding& founding, const FirstManager& first);
    net::Task<void> abandon_restoration();
    net::Task<Result<void>> force_new_cluster(MemberInit request, net::Until until);
    net::Task<Result<std::string>> own_member_id(net::Until until);
    net::Task<Result<void>> move_own_member(std::string member_id, net::Until until);
    bool is_ready() const;
    net::Task<void> wait_to_be_ready(net::Until until);
    net::Task<Result<void>> submit_when_leading(Mutation mutation, net::Until until);
    net::Task<Result<void>> enter_cluster(MemberJoin request, net::Until until);
    net::Task<void> join_in_background(MemberJoin request);
    bool has_arrived() const;
    net::Task<Result<void>> forget();

    // The role, as the managers want it.
    net::Task<void> keep_role();
    net::Task<Result<void>> adjust_role(net::Until until);
    net::Task<Result<void>> become_manager(net::Until until);
    net::Task<Result<void>> be_promoted(std::string member_id, net::Until until);
    net::Task<Result<void>> become_worker(net::Until until);
    net::Task<Result<mpb::JoinStoreResponse>> ask_for_member(mpb::JoinStoreRequest request,
                                                             net::Until until);
    net::Task<Result<void>> wait_for_promotion(std::string member_id, net::Until until);
    std::vector<std::string> managers_to_call();
    net::Task<Result<std::unique_ptr<Channel>>> call_a_manager(net::Until until);
    struct Asked;
    net::Task<void> perform(std::shared_ptr<Asked> asked, std::string method, std::string request,
                            Deadline deadline);
    net::Task<Result<void>> renew(net::Until until);
    net::Task<Result<void>> renew_by_own_store(net::Until until);
    Result<NodeCredentials> sign_own() const;
    Result<void> use_credentials(NodeCredentials next);
    bool certificate_is_in_time() const;
    net::Task<Result<void>> follow_removal(net::Until until);
    net::Task<Result<void>> follow_pace(net::Until until);
    bool may_restart_log();
    net::Task<Result<bool>> take_restart_turn(net::Until until);
    net::Task<Result<void>> give_restart_turn(net::Until until);
    net::Task<Result<void>> hand_over_log(net::Until until);
    void plan_next_renewal();
    bool certificate_is_due() const;

    void heard_of_node(const pb::Node& node);
    void heard_of_managers(const std::vector<pb::Peer>& managers);
    void heard_of_root(const std::string& root);
    void heard_of_changes(const std::vector<Change>& changes);
    Result<void> follow_autolock();
    Result<void> save() const;
    void set_state(MemberState state, std::string error = "");
    Role certificate_role() const;

    MemberSeams seams_;
    // Before the scopes: their tasks hold and wait for these.
    net::Signal look_;
    net::WaitQueue moved_; ///< woken when state or roles change
    net::Lock changing_;
    MemberState state_ = MemberState::Inactive;
    std::string error_;
    SavedMember saved_;
    std::optional<KeyFile> keys_;
    CredentialsPtr credentials_;
    pb::Node node_; ///< as the managers have it; empty before they were heard
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<Agent> agent_;
    std::unique_ptr<Transport> server_transport_;
    Log* log_ = nullptr; ///< while there is a manager_
    std::unique_ptr<KeysSealer> sealer_;
    std::unique_ptr<Manager> manager_;
    std::unique_ptr<net::TaskScope> agent_scope_;
    std::unique_ptr<net::TaskScope> manager_scope_;
    std::unique_ptr<net::TaskScope> join_scope_;
    std::unique_ptr<net::TaskScope> retry_scope_; ///< after take_up() or what it started failed
    int failures_ = 0;                            ///< to take up the role, in a row
    Steady taken_up_{};                           ///< the last time
    std::optional<Error> join_error_;
    bool nobody_waits_ = false;      ///< for the end of joining
    bool has_turn_ = false;          ///< to restart its member of the log, or may have it
    bool log_is_due_ = false;        ///< for a restart, in its turn
    int quiet_looks_ = 0;            ///< in a row, in which nobody had that turn
    std::int64_t turn_revision_ = 0; ///< of somebody else's turn
    Steady turn_since_{};            ///< when it was seen first
    std::size_t calls_made_ = 0;     ///< to other managers, for this node
    Instant renew_at_{};
    std::function<void()> changed_;
};

} // namespace shoal::swarm
