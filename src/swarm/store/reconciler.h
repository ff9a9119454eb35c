// Reconciler: one of the loops inside the leader, as a function from what the cluster is to what
// should change. It waits for nothing and calls nobody; all it keeps is derived from the store and
// can be made again at any time (a new leader does). The leader runs all of them over one Tx, in
// order, after every change, and commits what they did as one transaction (manager/leader.h).
#pragma once

#include "swarm/store/store.h"

#include <optional>

namespace shoal::swarm {

class Reconciler {
  public:
    virtual ~Reconciler() = default;
    /// Forget everything and look at all of the store: this process has begun to lead.
    virtual void rebuild(const Store& store) = 0;
    /// Something has changed (by others or by itself); note what has to be looked at.
    virtual void observe(const Store& store, const Change& change) = 0;
    /// Looks at what is noted and at what is due at tx.now(). Gives when it wants to be run again
    /// though nothing changes; nothing: never.
    virtual std::optional<Instant> run(Tx& tx) = 0;
};

} // namespace shoal::swarm
