// OverlayKeeper: keeps the kernel and the embedded DNS in line with what the managers said of the
// networks that span nodes (overlay_book.h) and with the containers that are here. A network is in
// the kernel (network/overlay.h) while a container of this node is on it, and some seconds longer.
// It belongs to Networks::Impl and is for its files only.
#pragma once

#include "engine/networks_encryption.h"
#include "engine/networks_guard.h"
#include "engine/networks_impl.h"
#include "engine/networks_mesh.h"
#include "engine/overlay_book.h"

namespace shoal::engine {

class OverlayKeeper final : public Overlays {
  public:
    explicit OverlayKeeper(Networks::Impl& networks);
    ~OverlayKeeper() override;

    net::Task<Result<void>> join(OverlaySelf self) override;
    net::Task<Result<void>> apply(std::vector<OverlayChange> changes, bool whole) override;
    net::Task<Result<void>> leave() override;
    net::Task<Result<std::size_t>> open_connections(ContainerId container) override;
    net::Task<Result<std::set<std::uint16_t>>> listening_ports(ContainerId container) override;

    /// The container gets its interface, and others reach it. Waits a while for join().
    net::Task<Result<void>> attach(Networks::Impl::AttachedPtr attached,
                                   network::EndpointState endpoint);
    /// Nobody reaches it any more; the interface goes with the container's namespace.
    net::Task<Result<void>> detach(network::EndpointState endpoint);
    /// After a restart of the daemon: it is there already.
    void adopt(const network::EndpointState& endpoint);
    /// Containers with ports of the mesh, or with published ports, came or went.
    net::Task<Result<void>> containers_changed();

    /// Somebody else changed the rules in the host's namespace.
    net::Task<void> restore_rules();
    /// Until cancelled: the regular check, and what nobody uses any more goes.
    net::Task<void> tend(net::Until until);
    /// Namespaces of a life before that no container needs. Once, after all were adopted.
    net::Task<void> sweep();
    net::Task<void> stop(bool keep_kernel);

    /// A service's name by each port that the mesh answers here.
    std::map<network::MeshPort, std::string> mesh_ports() const { return mesh_.owners(); }
    /// In the host's namespace.
    std::set<std::string> tables() const {
        return {guard_.table(), encryption_.table(), mesh_.table()};
    }
    std::uint64_t repairs() const { return repairs_; }
    /// The managers say that this task's address is this node's.
    bool knows_here(const NetworkId& network, network::Ip address) const;
    /// The nodes that have something on it, all for ingress; by their ids.
    std::vector<NetworkPeer> peers(const NetworkId& network) const;
    /// They say something of the network.
    bool knows(const NetworkId& network) const;
    /// Fails: Unsupported, for a network that this kernel cannot encrypt.
    Result<void> check_encryption(const network::Definition& definition,
                                  const OverlayNetwork* item) const {
        return encryption_.check(definition, item);
    }

  private:
    /// One network in the kernel.
    struct Router {
        explicit Router(net::Loop& loop) : turn(loop) {}
        net::Lock turn;
        std::shared_ptr<network::Overlay> overlay; ///< null: to be opened
        std::shared_ptr<network::OverlayState> wanted = std::make_shared<network::OverlayState>();
        /// What goes, once nothing is sent to it any more.
        struct Going {
            std::map<network::Ip, network::NodeIndex> remote;
            std::map<network::Ip, std::string> local;
            std::map<network::NodeIndex, network::Ip> nodes;
            bool empty() const { return remote.empty() && local.empty() && nodes.empty(); }
        } going;
        Steady idle_since{}; ///< when the last container left
    };
    using RouterPtr = std::shared_ptr<Router>;
    struct Held { ///< a router, for as long as its turn lasts
        RouterPtr router;
        net::Lock::Guard turn;
    };

    net::Task<Result<void>> wait_for_self();
    net::Task<Held> hold(NetworkId id);
    net::Task<Result<void>> open(NetworkId id, RouterPtr router);
    net::Task<void> give_way(std::uint32_t vni);
    Result<network::OverlayPlan> plan(const NetworkId& id) const;
    const OverlayNetwork* item_of(const NetworkId& id) const; ///< null: the managers say nothing
    bool is_encrypted_here(const NetworkId& id) const;
    struct Again { ///< an interface to be made anew
        os::Fd netns;
        network::OverlayEndpointPlan plan;
    };
    std::vector<Again> endpoints_of(const NetworkId& id, const Router& router) const;
    net::Task<Result<void>> open_if_joined(NetworkId id, RouterPtr router);
    enum class Removal { Always, Idle };
    net::Task<Result<void>> remove_router(NetworkId id, Removal which);
    net::Task<Result<void>> open_all();
    net::Task<Result<void>> open_all_and_mesh();
    net::Task<void> close_all();

    // networks_overlays_paths.cpp
    network::Ip unknown_path(const std::set<network::Ip>& asked) const;
    int narrowest() const;
    net::Task<void> look_at_paths();
    net::Task<Result<void>> use_underlay_mtu(int mtu);

    /// Kernel first, then names.
    net::Task<Result<void>> sync(NetworkId id);
    net::Task<Result<void>> sync_kernel(NetworkId id, RouterPtr router);
    net::Task<Result<void>> sync_mesh();
    net::Task<Result<void>> sync_guard();
    void take_over(OverlayBook::Page& page, Router& router);
    void take_over_address(const OverlayBook::Page& page, network::Ip ip, Router& router);
    void take_over_node(const OverlayBook::Page& page, network::NodeIndex node, Router& router);
    void take_over_service(const OverlayBook::Page& page, network::Ip ip, Router& router);
    void sync_names(const NetworkId& id, const OverlayBook::Touched& names);
    void forget_names(const NetworkId& id);
    net::Task<Result<void>> repair(NetworkId id);
    net::Task<void> repair_all();
    void note_repair(const std::string& what, const Result<std::size_t>& repaired);
    void count_repairs(const std::string& what, std::size_t count);
    net::Task<void> drop_idle();
    std::string directory() const;
    std::string path(const NetworkId& id) const { return directory() + "/" + id.text(); }

    Networks::Impl& networks_;
    std::optional<OverlaySelf> self_;
    int link_mtu_ = 0;
    int underlay_mtu_ = 0;             ///< what all paths take
    std::map<network::Ip, int> paths_; ///< to other nodes, by their address
    bool looking_ = false;             ///< at paths
    OverlayBook book_;
    std::map<NetworkId, RouterPtr> routers_;
    bool told_ = false; ///< of nodes, by the managers
    GuardKeeper guard_;
    EncryptionKeeper encryption_;
    MeshKeeper mesh_;
    net::Lock applying_; ///< one change of the book at a time
    net::Flag joined_;
    std::uint64_t repairs_ = 0;
};

/// What is left of the underlay's for a packet in VXLAN.
int overlay_mtu(int underlay, network::Ip local);

} // namespace shoal::engine
