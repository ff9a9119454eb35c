#include "swarm/dispatcher/liveness.h"

#include <algorithm>
#include <utility>

namespace shoal::swarm {

using namespace std::chrono_literals;

namespace {

constexpr auto step_forgotten_after = 5min;
constexpr int doublings_max = 4;

} // namespace

Pulse pulse_of(AgentKind kind, std::chrono::nanoseconds heartbeat) {
    if (kind == AgentKind::Stock) {
        return {heartbeat, 3 * heartbeat, 6 * heartbeat, 3 * heartbeat, 3 * heartbeat};
    }
    const auto period = std::max<std::chrono::nanoseconds>(heartbeat / 5, 200ms);
    const auto silence = std::max<std::chrono::nanoseconds>(heartbeat / 2, 500ms);
    return {period, silence, 2 * silence, std::min<std::chrono::nanoseconds>(silence, 2s),
            std::max(silence, 3 * heartbeat)};
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

void Patience::given_up(const std::string& node_id, Steady now) {
    by_node_[node_id].given_up = now;
}

void Patience::is_here(const std::string& node_id, const std::string& run,
                       std::chrono::nanoseconds alive_within, Steady now) {
    auto& known = by_node_[node_id];
    const auto since = std::exchange(known.given_up, std::nullopt);
    const bool same = std::exchange(known.run, run) == run;
    if (!same || !since || now - *since > alive_within) { return; }
    known.doublings = std::min(doublings_left(known, now) + 1, doublings_max);
    known.learnt = now;
}

int Patience::doublings_left(const Known& known, Steady now) const {
    const auto steps = (now - known.learnt) / step_forgotten_after;
    return static_cast<int>(std::max<std::int64_t>(0, known.doublings - steps));
}

Pulse Patience::stretched(Pulse pulse, const std::string& node_id, Steady now) const {
    const auto found = by_node_.find(node_id);
    if (found == by_node_.end()) { return pulse; }
    const int factor = 1 << doublings_left(found->second, now);
    pulse.silence = std::min(factor * pulse.silence, pulse.silence_max);
    pulse.after_change = std::max(pulse.after_change, pulse.silence);
    pulse.lost = std::min(factor * pulse.lost, pulse.silence_max);
    return pulse;
}

} // namespace shoal::swarm
