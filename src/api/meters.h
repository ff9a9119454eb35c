// Meters: what the daemon counts, under the names that Docker's metrics endpoint uses where it has
// one.
#pragma once

#include "metrics/metrics.h"

#include <chrono>

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
    std::string text() const { return metrics_.text(); }

  private:
    metrics::Metrics metrics_;
    metrics::Counter events_;
};

} // namespace shoal::api
