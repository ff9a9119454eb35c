// TaskReaper: erases tasks that nobody needs any more: those to be removed once they have stopped,
// the oldest of each slot beyond what the cluster keeps as history, and those whose service is
// gone, which it tells to stop first. It never erases a task that others still decide by.
#pragma once

#include "swarm/orchestrator/service_loop.h"

namespace shoal::swarm {

class TaskReaper final : public Reconciler {
  public:
    TaskReaper() = default;

    void rebuild(const Store& store) override;
    void observe(const Store& store, const Change& change) override;
    std::optional<Instant> run(Tx& tx) override;

  private:
    /// The history of services that are there.
    class History final : public ServiceLoop {
        bool concerns(const pb::Service&) const override { return true; }
        std::optional<Instant> look_at_service(Tx&, const pb::Service&, const Slots&) override {
            return std::nullopt;
        }
        SlotLook look_at_slot(Tx& tx, const pb::Service& service, const Slot& slot) override;
    };

    void note_if_stray(const Store& store, const pb::Task& task);

    History history_;
    std::set<std::string> strays_; ///< tasks of no service, or of one that is gone
};

} // namespace shoal::swarm
