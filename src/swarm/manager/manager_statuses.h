// ManagerStatuses: who leads, written into the node objects, so that every manager gives the same
// answer. Which of the others can be reached is manager/reach.h's.
#pragma once

#include "swarm/store/reconciler.h"

#include <set>

namespace shoal::swarm {

class ManagerStatuses final : public Reconciler {
  public:
    /// `node_id`: of the manager that leads, this one.
    explicit ManagerStatuses(std::string node_id) : node_id_(std::move(node_id)) {}
    void rebuild(const Store& store) override;
    void observe(const Store& store, const Change& change) override;
    std::optional<Instant> run(Tx& tx) override;

  private:
    std::string node_id_;
    std::set<std::string> noted_;
};

} // namespace shoal::swarm
