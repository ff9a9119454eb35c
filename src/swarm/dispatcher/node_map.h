// NodeMap: what one node has been told of the cluster's networks, what it has to be told next, and
// what it has confirmed. It keeps no items, only up to which change the node knows each scope of
// the cluster's map; so a node costs little, however much it is told. It writes to no connection.
#pragma once

#include "swarm/dispatcher/cluster_map.h"

#include <deque>

namespace shoal::swarm {

class NodeMap {
  public:
    struct Limits {
        int changes_max = 400; ///< of a message
        std::size_t message_bytes = 1 << 20;
    };
    /// `before`: generations of this view come after it, so that what is confirmed of an older view
    /// of the same node is not taken for this one's.
    NodeMap(std::string node_id, std::uint64_t before) : NodeMap(node_id, before, {}) {}
    NodeMap(std::string node_id, std::uint64_t before, Limits limits)
        : node_id_(std::move(node_id)), limits_(limits), generation_(before) {}

    /// The next message; nothing when the node has been told everything. The first says all.
    std::optional<mpb::MapMessage> next(const ClusterMap& map);
    /// The node does what the message with this generation says.
    void confirm(std::uint64_t generation);
    /// It knows everything that concerns it up to this change of the cluster's map; 0: nothing.
    std::uint64_t known() const { return known_; }

  private:
    bool compose(const ClusterMap& map);
    bool has_missed(const ClusterMap& map) const;
    void add_news(const ClusterMap::Scope& scope, const std::string& id);
    void add_removal(const ClusterMap::Scope& scope, std::uint64_t told);
    mpb::MapMessage next_piece();

    std::string node_id_;
    Limits limits_;
    std::map<std::string, std::uint64_t> told_; ///< scope -> up to which change
    bool whole_due_ = true;

    // What was composed and has not been sent yet.
    std::deque<ClusterMap::ChangePtr> pieces_;
    bool whole_ = false;
    std::uint64_t count_ = 0, digest_ = 0, sequence_ = 0; ///< that result

    std::uint64_t generation_;
    std::map<std::uint64_t, std::uint64_t> under_way_; ///< generation -> change
    std::uint64_t known_ = 0;
};

} // namespace shoal::swarm
