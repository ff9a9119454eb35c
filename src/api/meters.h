// Meters: what the daemon counts, under the names that Docker's metrics endpoint uses where it has
// one.
#pragma once

#include "metrics/metrics.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace shoal::api {

struct HostFacts;

class Meters {
  public:
    Meters();
    void describe_daemon(const HostFacts& facts, const std::string& id);
    void count_request(std::string_view method, std::string_view pattern, int status,
                       std::chrono::nanoseconds took);
    void count_event() { events_.add(); }
    void set_containers(int running, int paused, int stopped);
    /// Since the daemon began.
    void set_network_repairs(std::uint64_t count);
    std::string text() const { return metrics_.text(); }

  private:
    /// Of one operation and status; kept, since finding them costs more than a small request.
    struct Kept {
        metrics::Counter requests;
        metrics::Histogram seconds;
    };
    Kept& kept(std::string_view method, std::string_view pattern, int status);

    metrics::Metrics metrics_;
    metrics::Counter events_;
    metrics::Counter repairs_;
    std::string key_; ///< of the search: its memory is used again
    std::map<std::string, Kept> kept_;
};

} // namespace shoal::api
