// Which log-ins of the page were ended before their time: by log-out. Pure, with a bound on what it
// remembers; the one that would end first makes room.
#pragma once

#include "base/clock.h"

#include <map>
#include <string>

namespace shoal::registry {

class EndedSessions {
  public:
    static constexpr std::size_t sessions_max = 10'000;

    /// `ends` is when the session would end by itself.
    void note(const std::string& id, Instant ends, Instant now);
    bool has(const std::string& id) const { return sessions_.contains(id); }
    std::size_t size() const { return sessions_.size(); }

  private:
    std::map<std::string, Instant> sessions_;
};

} // namespace shoal::registry
