// Counts failed log-ins by name and by address, so that passwords cannot be tried without end.
// Pure, with a bound on what it remembers.
#pragma once

#include "base/clock.h"

#include <deque>
#include <map>
#include <string>

namespace shoal::registry {

class Failures {
  public:
    Failures(int failures_max, std::chrono::seconds window) : max_(failures_max), window_(window) {}
    bool blocked(const std::string& key, Instant now);
    void note(const std::string& key, Instant now);
    void clear(const std::string& key) { seen_.erase(key); }
    std::size_t size() const { return seen_.size(); }
    static constexpr std::size_t keys_max = 100'000;

  private:
    int max_;
    std::chrono::seconds window_;
    std::map<std::string, std::deque<Instant>> seen_;
};

} // namespace shoal::registry
