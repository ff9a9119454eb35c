// GlobalOrchestrator: one task of a global service on each node that it may run on. It decides by
// the node's availability, state and the service's constraints; what else a task needs of its node
// the scheduler checks. Updates are those of update.h.
#pragma once

#include "swarm/orchestrator/service_loop.h"

namespace shoal::swarm {

class GlobalOrchestrator final : public ServiceLoop {
  public:
    GlobalOrchestrator() = default;

  private:
    bool concerns(const pb::Service& service) const override { return is_global(service); }
    void note_node(const Store& store, const Change& change) override;
    std::optional<Instant> look_at_service(Tx& tx, const pb::Service& service,
                                           const Slots& slots) override;
    void judge(Tx& tx, const pb::Service& service, const Slots& slots) override;
    SlotLook look_at_slot(Tx& tx, const pb::Service& service, const Slot& slot) override;
};

/// What a node may do for a service whose tasks belong to nodes.
enum class NodeUse {
    Gone, ///< it is not there any more: nor are its tasks
    None, ///< tasks on it are to stop
    Keep, ///< tasks on it stay, no new ones
    Full,
};
NodeUse node_use(const Store& store, const pb::Service& service, const std::string& node_id);

/// Erases, or stops, the slot's tasks.
void give_up_node(Tx& tx, const Slot& slot, NodeUse use);

} // namespace shoal::swarm
