#include "registry/server/failures.h"

namespace shoal::registry {

bool Failures::blocked(const std::string& key, Instant now) {
    const auto found = seen_.find(key);
    if (found == seen_.end()) { return false; }
    auto& times = found->second;
    while (!times.empty() && now - times.front() >= window_) { times.pop_front(); }
    if (times.empty()) {
        seen_.erase(found);
        return false;
    }
    return times.size() >= static_cast<std::size_t>(max_);
}

void Failures::note(const std::string& key, Instant now) {
    if (seen_.size() >= keys_max && !seen_.contains(key)) {
        std::erase_if(seen_, [&](const auto& one) { return now - one.second.back() >= window_; });
        if (seen_.size() >= keys_max) { seen_.erase(seen_.begin()); }
    }
    auto& times = seen_[key];
    times.push_back(now);
    if (times.size() > static_cast<std::size_t>(max_)) { times.pop_front(); }
}

} // namespace shoal::registry
