// JobOrchestrator: tasks that are to come to an end: so many completions in all, so many at a time,
// or one on each node. Every change of a job is a new iteration that begins from nothing. Failed
// tasks are started again as their policy says (restart.h); a job has no updates.
#pragma once

#include "swarm/orchestrator/service_loop.h"

namespace shoal::swarm {

class JobOrchestrator final : public ServiceLoop {
  public:
    JobOrchestrator() = default;

  private:
    bool concerns(const pb::Service& service) const override { return is_job(service); }
    void note_node(const Store& store, const Change& change) override;
    std::optional<Instant> look_at_service(Tx& tx, const pb::Service& service,
                                           const Slots& slots) override;
    SlotLook look_at_slot(Tx& tx, const pb::Service& service, const Slot& slot) override;
};

} // namespace shoal::swarm
