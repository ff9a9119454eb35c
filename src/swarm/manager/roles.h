// RoleKeeper: makes a node's role what is desired, on the leader. A promoted node is told by its
// role and comes as a manager by itself; a demoted one loses its member in the log first, and only
// then its role. What cannot be done now (no quorum without it) is tried again.
#pragma once

#include "swarm/store/log.h"
#include "swarm/store/writer.h"

#include "net/signal.h"

namespace shoal::swarm {

class RoleKeeper {
  public:
    RoleKeeper(net::Loop& loop, const Store& store, Log& log, Writer& writer, std::string node_id);

    /// Until cancelled, while this manager leads.
    net::Task<void> run(net::Until until);
    void look() { look_.raise(); }

  private:
    net::Task<Result<void>> keep(std::string node_id, net::Until until);
    net::Task<Result<void>> demote(NodePtr node, net::Until until);
    net::Task<Result<void>> hand_over(net::Until until);
    std::vector<std::string> misplaced() const;

    net::Loop& loop_;
    const Store& store_;
    Log& log_;
    Writer& writer_;
    std::string node_id_;
    net::Signal look_;
};

} // namespace shoal::swarm
