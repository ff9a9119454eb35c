// RefusalLog: what is said of callers that did not get in. Anybody can call as often as he likes:
// each source gets one line in a while, and the next one says how many there were. It decides what
// to say; it writes nothing and knows no time but what it is given.
#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <map>
#include <string>
#include <vector>

namespace shoal::swarm {

class RefusalLog {
  public:
    struct Settings {
        std::chrono::seconds span{60};
        std::size_t sources_max = 64; ///< of one span; the rest are counted together
    };
    RefusalLog() = default;
    explicit RefusalLog(Settings settings) : settings_(settings) {}

    /// The lines to write now. `address` is host:port.
    std::vector<std::string> refused(const std::string& address, const Error& why, Steady now);
    /// What has been counted and whose span is over; to be asked now and then.
    std::vector<std::string> due(Steady now);
    std::size_t sources() const { return sources_.size(); }

  private:
    struct Source {
        Steady since{};         ///< the last line
        std::size_t unsaid = 0; ///< refusals since then
        std::string why;        ///< of the last one
    };
    Settings settings_;
    std::map<std::string, Source> sources_;
};

/// Who is counted as one: an IPv4 address, the /64 of an IPv6 address.
std::string refusal_source(const std::string& address);

} // namespace shoal::swarm
