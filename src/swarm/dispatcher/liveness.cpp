#include "swarm/dispatcher/liveness.h"

#include <algorithm>

namespace shoal::swarm {

using namespace std::chrono_literals;

Pulse pulse_of(AgentKind kind, std::chrono::nanoseconds heartbeat) {
    if (kind == AgentKind::Stock) {
        return {heartbeat, 3 * heartbeat, 6 * heartbeat, 3 * heartbeat};
    }
    const auto period = std::max<std::chrono::nanoseconds>(heartbeat / 5, 200ms);
    const auto silence = std::max<std::chrono::nanoseconds>(heartbeat / 2, 500ms);
    return {period, silence, 2 * silence, std::min<std::chrono::nanoseconds>(silence, 2s)};
}

void Liveness::expect(const std::string& node_id, Steady by) {
    forget(node_id);
    by_node_[node_id] = by;
    by_time_.emplace(by, node_id);
}

void Liveness::forget(const std::string& node_id) {
    const auto found = by_node_.find(node_id);
    if (found == by_node_.end()) { return; }
    by_time_.erase({found->second, node_id});
    by_node_.erase(found);
}

std::optional<Steady> Liveness::expected(const std::string& node_id) const {
    const auto found = by_node_.find(node_id);
    if (found == by_node_.end()) { return std::nullopt; }
    return found->second;
}

std::vector<std::string> Liveness::take_overdue(Steady now) {
    std::vector<std::string> overdue;
    while (!by_time_.empty() && by_time_.begin()->first <= now) {
        overdue.push_back(by_time_.begin()->second);
        forget(overdue.back());
    }
    return overdue;
}

std::optional<Steady> Liveness::next() const {
    if (by_time_.empty()) { return std::nullopt; }
    return by_time_.begin()->first;
}

void Liveness::forgive(std::chrono::nanoseconds span) {
    for (auto& [node_id, by] : by_node_) { by += span; }
    by_time_.clear();
    for (const auto& [node_id, by] : by_node_) { by_time_.emplace(by, node_id); }
}

} // namespace shoal::swarm
