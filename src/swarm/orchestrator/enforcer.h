// ConstraintEnforcer: looks at a node that has changed whether its tasks may still be there:
// whether it meets the constraints of their services, and has what they reserve. Those that may not
// are called REJECTED, so that they are replaced as any task that failed.
#pragma once

#include "swarm/store/reconciler.h"

#include <set>

namespace shoal::swarm {

class ConstraintEnforcer final : public Reconciler {
  public:
    ConstraintEnforcer() = default;

    void rebuild(const Store& store) override;
    void observe(const Store& store, const Change& change) override;
    std::optional<Instant> run(Tx& tx) override;

  private:
    std::set<std::string> nodes_;
};

} // namespace shoal::swarm
