// ReplicatedOrchestrator: keeps as many slots of a replicated service filled as it asks for: makes
// and removes slots, replaces tasks that ended or whose node is lost (restart.h), and carries its
// updates on (update.h). Where tasks run is the scheduler's business.
#pragma once

#include "swarm/orchestrator/service_loop.h"

namespace shoal::swarm {

class ReplicatedOrchestrator final : public ServiceLoop {
  public:
    ReplicatedOrchestrator() = default;

  private:
    bool concerns(const pb::Service& service) const override { return is_replicated(service); }
    std::optional<Instant> look_at_service(Tx& tx, const pb::Service& service,
                                           const Slots& slots) override;
    void judge(Tx& tx, const pb::Service& service, const Slots& slots) override;
    SlotLook look_at_slot(Tx& tx, const pb::Service& service, const Slot& slot) override;
};

/// The slots to give up so that `count` stay, best to lose first. Those that do not run go before
/// those that do; among equals those on the nodes with most of the service's tasks.
std::vector<SlotKey> slots_to_give_up(const std::vector<const Slot*>& slots, std::size_t count);

} // namespace shoal::swarm
