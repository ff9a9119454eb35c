// ManagerReach: which managers can be reached, found out by the leader: it asks each every second
// whether its own member of the log follows a leader, and writes what has changed into the node
// objects. An agent that lives says nothing about the manager beside it, and the other way round.
#pragma once

#include "swarm/rpc/channel.h"
#include "swarm/store/writer.h"

#include <map>

namespace shoal::swarm {

class ManagerReach {
  public:
    /// `node_id`: of the manager that leads, this one.
    ManagerReach(net::Loop& loop, const Store& store, Transport& transport, Writer& writer,
                 std::string node_id);

    /// Until cancelled, while this manager leads.
    net::Task<void> run(net::Until until);

  private:
    struct Peer {
        std::string address;
        std::shared_ptr<Channel> channel;
        int misses = 0; ///< in a row
    };
    void take_managers();
    net::Task<void> ask(std::string node_id, net::Until until);
    net::Task<Result<void>> ask_once(std::string node_id, net::Until until);
    net::Task<void> note(net::Until until);

    net::Loop& loop_;
    const Store& store_;
    Transport& transport_;
    Writer& writer_;
    std::string node_id_;
    std::map<std::string, Peer> peers_; ///< by node id
};

} // namespace shoal::swarm
