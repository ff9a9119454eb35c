// NetworkMap: what one node knows of the networks that span nodes: items by key, with a count and a
// digest by which both ends see whether they mean the same. A value; who computes it is
// dispatcher/node_map.h, who follows it agent/map_follower.h, who makes it true the executor.
#pragma once

#include "base/result.h"

#include "swarm/proto/network_map.pb.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace shoal::swarm {

namespace mpb = shoal::swarm::v1;

/// Of a node's item, by which a node finds its own. What else there is has keys that only managers
/// make (dispatcher/map_items.h).
std::string node_key(std::string_view node_id);

/// Of an item with its key: FNV-1a of both. The same on every node and in every version.
std::uint64_t hash_of(std::string_view key, const mpb::MapItem& item);

class NetworkMap {
  public:
    using Items = std::map<std::string, mpb::MapItem, std::less<>>;

    /// Sets or (without an item) removes. True: something is different now.
    bool change(const mpb::MapChange& change);
    void clear();
    const Items& items() const { return items_; }
    std::uint64_t count() const { return items_.size(); }
    /// The sum of a 64-bit hash of each item with its key: independent of order, kept up as items
    /// come and go.
    std::uint64_t digest() const { return digest_; }

  private:
    Items items_;
    std::uint64_t digest_ = 0;
};

} // namespace shoal::swarm
