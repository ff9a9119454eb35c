// Remotes: the managers that this node knows, and how well each of them did lately. It chooses whom
// to call next; it calls nobody.
#pragma once

#include "swarm/model/object.h"

#include <map>
#include <vector>

namespace shoal::swarm {

class Remotes {
  public:
    struct Remote {
        std::string address; ///< host:port
        int weight = 1;
    };
    /// What a session says: those not listed are forgotten. An empty list says nothing.
    void set(const std::vector<Remote>& all);
    void add(const std::string& address);
    static constexpr int went_well = 10;
    static constexpr int went_wrong = -10;
    /// Weighs as much as everything before; harmless for an address that is not listed.
    void observe(const std::string& address, int weight);
    /// One by chance, the better ones more often; `but_not` only when there is no other.
    std::optional<std::string> pick(Random& random, std::string_view but_not) const;
    std::vector<std::string> addresses() const;

  private:
    std::map<std::string, int, std::less<>> weights_;
};

} // namespace shoal::swarm
