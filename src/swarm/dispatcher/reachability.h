// Reachability: which tasks wait for nodes to confirm what they were told. A task that runs is
// reachable, and so counts, when every node on its networks knows the way; one that is to stop is
// not told so before every such node has ceased to send it anything new. Both waits are bounded. It
// decides only; who knows what it is told, and what it decides others carry out.
#pragma once

#include "swarm/dispatcher/cluster_map.h"

namespace shoal::swarm {

/// What the nodes on a network have confirmed.
class Confirmed {
  public:
    virtual ~Confirmed() = default;
    /// Up to which change of the cluster's map all that are waited for know this network; the
    /// largest number when nobody is waited for.
    virtual std::uint64_t known(const std::string& network_id) const = 0;
    /// Those that know less, by what people call them.
    virtual std::set<std::string> laggards(const std::string& network_id,
                                           std::uint64_t sequence) const = 0;
};

class Reachability {
  public:
    static constexpr std::chrono::seconds patience{10};

    /// This process has begun to lead: nobody is known to have been told anything.
    void rebuild(const Store& store, Steady now);
    /// After the cluster's map has heard of it.
    void observe(const Change& change, Steady now);

    /// The task's node is not to hear yet that it is to stop.
    bool holds(const std::string& task_id) const { return held_.contains(task_id); }

    struct Verdict {
        std::string task_id;
        std::set<std::string> laggards; ///< that were not waited for any longer
    };
    struct Verdicts {
        std::vector<Verdict> reachable;
        std::vector<Verdict> let_go; ///< it may be told to stop
        std::optional<Steady> next;  ///< when to look again though nothing changes
    };
    /// Each task once: what is given is not waited for any more.
    Verdicts judge(const Store& store, const ClusterMap& map, const Confirmed& confirmed,
                   Steady now);
    bool waits() const { return !running_.empty() || !held_.empty(); }

  private:
    using Waiting = std::map<std::string, Steady>; ///< task -> since when
    std::vector<Verdict> judge(Waiting& waiting, const Store& store, const ClusterMap& map,
                               const Confirmed& confirmed, Steady now);

    Waiting running_; ///< not yet reachable
    Waiting held_;
};

/// For the task's status: "running; node b has not confirmed its address".
std::string late_message(const std::set<std::string>& laggards);

} // namespace shoal::swarm
