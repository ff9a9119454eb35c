// ClusterPlaces: what attachments need, from a real engine and a real member of a cluster.
#pragma once

#include "engine/engine.h"
#include "node/attachments.h"
#include "swarm/member/member.h"

namespace shoal::node {

class ClusterPlaces final : public AttachmentWorld {
  public:
    explicit ClusterPlaces(engine::Engine& engine) : engine_(engine) {}
    /// The node, once there is one.
    void use(swarm::Member* member) { member_ = member; }

    /// For a worker, whose managers know: the attachable network that `ref` means. NotFound for
    /// none.
    net::Task<Result<pb::Network>> find(std::string ref, net::Until until);

    bool may_have(std::string_view network) const override;
    net::Task<Result<std::string>> attach(pb::AttachNetworkRequest request,
                                          net::Until until) override;
    net::Task<Result<void>> detach(std::string attachment_id, net::Until until) override;
    bool is_task(const ContainerId& container) const override;
    bool is_on(const ContainerId& container, const NetworkId& network) const override;
    std::vector<engine::PlaceWish> on_networks() const override;
    net::Task<Result<void>> put_off(ContainerId container, NetworkId network) override;
    net::Task<Result<void>> ensure_network(pb::NetworkAttachment attachment,
                                           net::Until until) override;

  private:
    bool in_cluster() const;

    engine::Engine& engine_;
    swarm::Member* member_ = nullptr;
};

} // namespace shoal::node
