// Node: this machine's place in a cluster, for the daemon: a Member whose parts are the real ones
// (TLS, etcd, the engine), and what the API asks of it. Addresses are found out here; what they are
// used for is the member's business.
#pragma once

#include "node/attachments.h"
#include "node/cluster_places.h"
#include "node/executor.h"
#include "swarm/agent/task_memory.h"
#include "swarm/manager/control/face.h"
#include "swarm/member/etcd_host.h"
#include "swarm/member/member.h"
#include "swarm/rpc/refusal_log.h"

#include "net/http_client.h"
#include "net/scope.h"

namespace shoal::node {

struct NodeSettings {
    std::string directory; ///< of its own, in the data root
    std::string etcd_program = "etcd";
    bool prefer_offline_image = false;
};

class Node final : public swarm::Face {
  public:
    static Result<std::unique_ptr<Node>> create(engine::Engine& engine, NodeSettings settings);
    ~Node() override;

    /// Takes up what was here; after the engine has begun. What is wrong shows in standing().
    net::Task<void> start();
    net::Task<void> stop();

    /// Hears of committed changes while this machine is a manager.
    void on_changes(swarm::Manager::Told told) { told_ = std::move(told); }
    /// A connection to our API that another manager opens, while this one leads.
    void on_tunnel(std::function<void(net::StreamPtr)> take) { tunnel_ = std::move(take); }
    swarm::Member& member() { return *member_; }

    // Face.
    swarm::Standing standing() const override;
    const swarm::Store* store() const override;
    bool leads() const override;
    net::Task<Result<std::int64_t>> submit(swarm::Mutation mutation, net::Until until) override;
    const swarm::ClusterActions& cluster_actions() override { return actions_; }
    std::optional<Instant> certificate_ends(const swarm::pb::Node& node) const override;
    net::Task<Result<std::string>> init(swarm::InitRequest request, net::Until until) override;
    net::Task<Result<void>> join(swarm::JoinRequest request, net::Until until) override;
    net::Task<Result<void>> leave(bool force, net::Until until) override;
    net::Task<Result<void>> unlock(std::string key, net::Until until) override;
    net::Task<Result<std::string>> unlock_key(net::Until until) override;
    net::Task<Result<std::string>> backup(std::string passphrase, net::Until until) override;
    net::Task<Result<std::string>> restore(swarm::RestoreRequest request,
                                           net::Until until) override;
    net::Task<Result<swarm::pb::Network>> find_network(std::string ref, net::Until until) override;
    net::Task<Result<std::unique_ptr<swarm::ForwardedAnswer>>>
    forward(swarm::ForwardedRequest request, net::Until until) override;
    net::Task<Result<std::unique_ptr<swarm::LogSource>>>
    open_logs(swarm::pb::LogSelector selector, swarm::pb::LogSubscriptionOptions options,
              net::Until until) override;

  private:
    Node(engine::Engine& engine, NodeSettings settings, std::unique_ptr<swarm::TaskMemory> memory);
    std::unique_ptr<swarm::Transport> make_transport(swarm::CredentialsPtr credentials);
    void follow_manager();
    void follow_state();
    net::Task<void> leave_networks();
    std::string trouble() const;
    std::string snapshot_folder() const { return settings_.directory + "/snapshots"; }
    net::Task<void> keep_snapshots(net::Until until);
    net::Task<Result<void>> snapshot_if_due(net::Until until);
    net::Task<void> tell_refusals(net::Until until);
    Error explain(Error problem) const;

    engine::Engine& engine_;
    NodeSettings settings_;
    ClusterPlaces places_;
    Attachments attachments_;
    EngineExecutor executor_;
    std::unique_ptr<swarm::TaskMemory> memory_;
    swarm::EtcdHost etcd_;
    swarm::RefusalLog refusals_; ///< of callers of the cluster's port
    std::unique_ptr<swarm::Member> member_;
    swarm::ClusterActions actions_;
    swarm::Manager* followed_ = nullptr;
    bool in_cluster_ = false; ///< as far as the networks know
    swarm::Manager::Told told_;
    std::function<void(net::StreamPtr)> tunnel_;
    std::unique_ptr<net::TaskScope> upkeep_;
};

} // namespace shoal::node
