// MeshKeeper: the routing mesh of this node: which ports of services are answered here and which
// containers of this node are behind them, as the book's page of the ingress network says, brought
// into the kernel (network/mesh.h). A port that a container of this node publishes stays the
// container's. It belongs to the OverlayKeeper.
#pragma once

#include "engine/networks_encryption.h"
#include "engine/networks_impl.h"
#include "engine/overlay_book.h"
#include "network/mesh_relays.h"

namespace shoal::engine {

class MeshKeeper {
  public:
    MeshKeeper(Networks::Impl& networks, OverlayBook& book, EncryptionKeeper& encryption);

    /// Brings the kernel in line with what was touched in the book and with the containers here.
    net::Task<Result<void>> sync(OverlaySelf self, int underlay_mtu);
    net::Task<Result<std::size_t>> repair();
    net::Task<Result<void>> remove();
    bool is_open() const { return mesh_ != nullptr; }

    const std::string& table() const { return table_; }
    const std::map<network::MeshPort, std::string>& owners() const { return owners_; }

  private:
    using LocalTasks = std::map<network::Ip, network::MeshTask>;

    net::Task<Result<void>> open(OverlaySelf self, int underlay_mtu, NetworkId ingress);
    net::Task<Result<void>> remove_held();
    net::Task<Result<void>> apply();
    void serve_relays(const std::set<network::MeshPort>& ports);
    Result<network::MeshPlan> plan(const OverlaySelf& self, int underlay_mtu,
                                   const NetworkId& ingress,
                                   const Networks::Impl::Network& gateway) const;
    bool take_over(OverlayBook::Page& page, const NetworkId& ingress);
    bool look_at_containers(OverlayBook::Page& page, const NetworkId& ingress);
    LocalTasks local_tasks(const OverlayBook::Page& page, const NetworkId& ingress) const;
    void look_at_taken_ports(OverlayBook::Page& page);
    void take_over_nodes();
    void take_over_address(const OverlayBook::Page& page, network::Ip ip);
    void withdraw_service(const std::string& id);
    void take_over_service(const OverlayBook::Page& page, const std::string& id);

    Networks::Impl& networks_;
    OverlayBook& book_;
    EncryptionKeeper& encryption_;
    std::string table_;
    network::NodeIndex self_ = 0;
    net::Lock turn_;
    std::shared_ptr<network::Mesh> mesh_;
    bool in_line_ = false; ///< the kernel is with wanted_
    std::shared_ptr<network::MeshState> wanted_ = std::make_shared<network::MeshState>();
    std::set<network::MeshPort> taken_; ///< by containers of this node
    std::set<network::MeshPort> told_;  ///< that such a port is not the mesh's
    std::map<std::string, std::vector<network::MeshPort>> published_; ///< by service
    std::map<network::MeshPort, std::string> owners_;
    network::MeshRelays relays_;
    std::set<std::string> relay_problems_; ///< each is told once
};

} // namespace shoal::engine
