#include "swarm/scheduler/failures.h"

#include <iterator>

namespace shoal::swarm {
namespace {

bool has_failed(const pb::Task& task) {
    const auto state = task.status().state();
    return (state == pb::FAILED || state == pb::REJECTED) && !task.node_id().empty() &&
           !task.service_id().empty();
}

Instant time_of(const pb::TaskStatus& status) {
    return from_timestamp(status.has_applied_at() ? status.applied_at() : status.timestamp());
}

} // namespace

void Failures::remove(const std::string& task_id) {
    const auto found = tasks_.find(task_id);
    if (found == tasks_.end()) { return; }
    const Place& place = found->second;
    auto& nodes = groups_[place.group];
    auto& times = nodes[place.node_id];
    if (const auto at = times.find(place.at); at != times.end()) { times.erase(at); }
    if (times.empty()) { nodes.erase(place.node_id); }
    if (nodes.empty()) { groups_.erase(place.group); }
    by_time_.erase({place.at, task_id});
    tasks_.erase(found);
}

void Failures::see(const std::string& task_id, const TaskPtr& task) {
    if (!task) { return; }
    remove(task_id);
    if (!has_failed(*task)) { return; }
    const Place place{group_of(*task), task->node_id(), time_of(task->status())};
    groups_[place.group][place.node_id].insert(place.at);
    by_time_.emplace(place.at, task_id);
    tasks_.emplace(task_id, place);
}

void Failures::forget_old(Instant now) {
    while (!by_time_.empty() && by_time_.begin()->first < now - failures_window) {
        remove(std::string(by_time_.begin()->second));
    }
    // Of a clock that was set back: it would stay for who knows how long.
    while (!by_time_.empty() && by_time_.rbegin()->first > now + failures_window) {
        remove(std::string(by_time_.rbegin()->second));
    }
}

std::map<std::string, std::size_t> Failures::recent(const GroupKey& group, Instant now) const {
    std::map<std::string, std::size_t> counts;
    const auto found = groups_.find(group);
    if (found == groups_.end()) { return counts; }
    for (const auto& [node, times] : found->second) {
        const auto count = std::distance(times.lower_bound(now - failures_window), times.end());
        if (count > 0) { counts[node] = static_cast<std::size_t>(count); }
    }
    return counts;
}

} // namespace shoal::swarm
