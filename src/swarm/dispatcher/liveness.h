// Liveness: by when each node has to be heard of, and how patient the leader is with it. It hears
// nobody and writes nothing.
#pragma once

#include "swarm/model/object.h"

#include <map>
#include <set>
#include <vector>

namespace shoal::swarm {

/// How often a node says that it lives, and how long it may be silent.
struct Pulse {
    std::chrono::nanoseconds period;
    std::chrono::nanoseconds silence;      ///< then it is down
    std::chrono::nanoseconds after_change; ///< the same for nodes whose leader is new
    std::chrono::nanoseconds lost;         ///< after its connection broke
    std::chrono::nanoseconds silence_max;  ///< for nodes that were given up too soon
};
enum class AgentKind { Shoal, Stock };
/// `heartbeat` is what the cluster's specification says. Our own agents are asked five times as
/// often and may be silent for half of it: so a lost node's tasks are elsewhere soon.
Pulse pulse_of(AgentKind kind, std::chrono::nanoseconds heartbeat);

class Liveness {
  public:
    void expect(const std::string& node_id, Steady by);
    void forget(const std::string& node_id);
    std::optional<Steady> expected(const std::string& node_id) const;
    /// Those whose time is up; they are not expected any more.
    std::vector<std::string> take_overdue(Steady now);
    std::optional<Steady> next() const;
    /// This process stood still for so long: nobody could be heard.
    void forgive(std::chrono::nanoseconds span);

  private:
    std::map<std::string, Steady, std::less<>> by_node_;
    std::set<std::pair<Steady, std::string>> by_time_;
};

/// How patient to be with each node: twice as patient after each time it was given up and was back
/// so soon that it can only have been slow, as on an overloaded machine, whose load would grow by
/// all that is moved away from it and back. What was learnt is forgotten step by step.
class Patience {
  public:
    void given_up(const std::string& node_id, Steady now);
    /// It is there (again), in this `run` of its shoald; "" for stock engines. `alive_within`: so
    /// soon that it was never gone, if the run is still the same.
    void is_here(const std::string& node_id, const std::string& run,
                 std::chrono::nanoseconds alive_within, Steady now);
    void forget(const std::string& node_id) { by_node_.erase(node_id); }
    /// `pulse` for this node.
    Pulse stretched(Pulse pulse, const std::string& node_id, Steady now) const;

  private:
    struct Known {
        std::string run;
        std::optional<Steady> given_up;
        int doublings = 0;
        Steady learnt;
    };
    int doublings_left(const Known& known, Steady now) const;

    std::map<std::string, Known, std::less<>> by_node_;
};

} // namespace shoal::swarm
