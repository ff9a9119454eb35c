// Failures: how often tasks of one service, in one version, have failed on a node of late. They are
// read from ended tasks as these come by and count until their time is over, whether or not the
// store still keeps the task: how long a history somebody wants has nothing to do with it. Of tasks
// that were gone before this began to look nothing is known.
#pragma once

#include "swarm/model/object.h"

#include <map>
#include <set>
#include <string>

namespace shoal::swarm {

inline constexpr auto failures_window = std::chrono::minutes(5);

/// What the tasks of one kind have in common: they are placed together.
struct GroupKey {
    std::string service_id;
    std::uint64_t spec_version = 0;
    auto operator<=>(const GroupKey&) const = default;
};
inline GroupKey group_of(const pb::Task& task) {
    return {task.service_id(), task.spec_version().index()};
}

class Failures {
  public:
    /// Takes the task for what it is now; nothing: it is gone, and what it has failed stays.
    void see(const std::string& task_id, const TaskPtr& task);
    /// Lets go of what does not count any more.
    void forget_old(Instant now);
    /// Failures within the window before `now`, by node; nodes without any are left out.
    std::map<std::string, std::size_t> recent(const GroupKey& group, Instant now) const;

  private:
    struct Place {
        GroupKey group;
        std::string node_id;
        Instant at;
    };
    void remove(const std::string& task_id);

    std::map<std::string, Place> tasks_;
    std::set<std::pair<Instant, std::string>> by_time_;
    std::map<GroupKey, std::map<std::string, std::multiset<Instant>>> groups_;
};

} // namespace shoal::swarm
