#include "registry/server/meters.h"

namespace shoal::registry {

Meters::Meters()
    : bytes_in_(metrics_.counter("shoal_registry_received_bytes_total", "Bytes of request bodies")),
      bytes_out_(metrics_.counter("shoal_registry_sent_bytes_total", "Bytes of answers' bodies")),
      login_failures_(
          metrics_.counter("shoal_registry_login_failures_total", "Log-ins that were refused")),
      collections_(metrics_.counter("shoal_registry_collections_total",
                                    "Collections of garbage that have ended well")),
      failed_collections_(metrics_.counter("shoal_registry_failed_collections_total",
                                           "Collections of garbage that have failed")),
      collected_bytes_(
          metrics_.counter("shoal_registry_collected_bytes_total", "Bytes that collections freed")),
      collected_blobs_(metrics_.counter("shoal_registry_collected_blobs_total",
                                        "Blobs that collections removed")),
      connections_(metrics_.gauge("shoal_registry_connections", "Open connections")),
      repositories_(metrics_.gauge("shoal_registry_repositories", "Repositories")),
      disk_bytes_(metrics_.gauge("shoal_registry_disk_bytes", "Size of the storage's file system")),
      disk_free_bytes_(
          metrics_.gauge("shoal_registry_disk_free_bytes", "Free bytes of that file system")) {
    metrics_.gauge("shoal_registry_info", "What is running", {{"version", SHOAL_VERSION}}).set(1);
}

Meters::Kept& Meters::kept(std::string_view route, int status) {
    const std::pair key(route.data(), status);
    const auto found = kept_.find(key);
    if (found != kept_.end()) { return found->second; }
    const std::string name(route);
    Kept made{metrics_.counter("shoal_registry_requests_total", "Requests by operation and status",
                               {{"route", name}, {"status", std::to_string(status)}}),
              metrics_.histogram("shoal_registry_request_seconds",
                                 "How long requests took, bodies included", {{"route", name}})};
    return kept_.emplace(key, made).first->second;
}

void Meters::count_request(std::string_view route, int status, std::chrono::nanoseconds took,
                           std::uint64_t bytes_in, std::uint64_t bytes_out) {
    Kept& of_route = kept(route, status);
    of_route.requests.add();
    of_route.seconds.observe(std::chrono::duration<double>(took).count());
    if (bytes_in > 0) { bytes_in_.add(static_cast<double>(bytes_in)); }
    if (bytes_out > 0) { bytes_out_.add(static_cast<double>(bytes_out)); }
}

void Meters::set_disk(std::int64_t bytes, std::int64_t free_bytes) {
    disk_bytes_.set(static_cast<double>(bytes));
    disk_free_bytes_.set(static_cast<double>(free_bytes));
}

void Meters::count_collection(std::int64_t freed_bytes, std::size_t removed_blobs) {
    collections_.add();
    collected_bytes_.add(static_cast<double>(freed_bytes));
    collected_blobs_.add(static_cast<double>(removed_blobs));
}

} // namespace shoal::registry
