// Published ports of the mesh at [::1]. No translation can lead away from that address (IPv6 has no
// route_localnet), so a socket listens there and relays to 127.0.0.1, from where the tables go on
// (network/ports.h does the same for ports of containers). The task sees the node and not ::1. It
// lives on the loop, and chooses nothing.
#pragma once

#include "network/mesh.h"
#include "network/ports.h"

#include <map>
#include <set>
#include <vector>

namespace shoal::network {

class MeshRelays {
  public:
    explicit MeshRelays(net::Loop& loop) : loop_(loop) {}

    /// Those of a state that want a relay: TCP and UDP with tasks, where 127.0.0.1 is published.
    static std::set<MeshPort> needed(const MeshPlan& plan, const MeshState& state);

    /// Serves these and no others; what there is of others ends. A port that somebody else has is
    /// left out, is tried again with the next call, and is among the errors.
    std::vector<Error> serve(const std::set<MeshPort>& wanted);

  private:
    net::Loop& loop_;
    std::map<MeshPort, std::unique_ptr<Relays>> relays_;
};

} // namespace shoal::network
