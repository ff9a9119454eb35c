#include "registry/server/ended_sessions.h"

#include <algorithm>

namespace shoal::registry {

void EndedSessions::note(const std::string& id, Instant ends, Instant now) {
    if (sessions_.size() >= sessions_max && !has(id)) {
        std::erase_if(sessions_, [&](const auto& one) { return now >= one.second; });
        const auto ends_first = [](const auto& a, const auto& b) { return a.second < b.second; };
        if (sessions_.size() >= sessions_max) {
            sessions_.erase(std::min_element(sessions_.begin(), sessions_.end(), ends_first));
        }
    }
    sessions_[id] = ends;
}

} // namespace shoal::registry
