// What the registry counts, for Prometheus. Handles of the requests' counters are kept, so that
// counting one costs no search.
#pragma once

#include "metrics/metrics.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace shoal::registry {

class Meters {
  public:
    Meters();
    /// `route` is a label that lives as long as the program: "GET blob".
    void count_request(std::string_view route, int status, std::chrono::nanoseconds took,
                       std::uint64_t bytes_in, std::uint64_t bytes_out);
    void count_login_failure() { login_failures_.add(); }
    void set_connections(std::size_t count) { connections_.set(static_cast<double>(count)); }
    void set_repositories(std::size_t count) { repositories_.set(static_cast<double>(count)); }
    void set_disk(std::int64_t bytes, std::int64_t free_bytes);
    void count_collection(std::int64_t freed_bytes, std::size_t removed_blobs);
    void count_failed_collection() { failed_collections_.add(); }
    std::string text() const { return metrics_.text(); }
    metrics::Metrics& metrics() { return metrics_; } ///< for parts with counters of their own

  private:
    struct Kept {
        metrics::Counter requests;
        metrics::Histogram seconds;
    };
    Kept& kept(std::string_view route, int status);

    metrics::Metrics metrics_;
    metrics::Counter bytes_in_;
    metrics::Counter bytes_out_;
    metrics::Counter login_failures_;
    metrics::Counter collections_;
    metrics::Counter failed_collections_;
    metrics::Counter collected_bytes_;
    metrics::Counter collected_blobs_;
    metrics::Gauge connections_;
    metrics::Gauge repositories_;
    metrics::Gauge disk_bytes_;
    metrics::Gauge disk_free_bytes_;
    std::map<std::pair<const char*, int>, Kept> kept_; ///< by the label's address and the status
};

} // namespace shoal::registry
