#include "api/meters.h"

#include "api/host_facts.h"

namespace shoal::api {

Meters::Meters()
    : events_(metrics_.counter("engine_daemon_events_total", "The number of events logged")),
      repairs_(metrics_.counter("shoal_network_repairs_total",
                                "Entries of the swarm's networks in the kernel that were not as "
                                "they should be and were repaired")) {
    set_containers(0, 0, 0);
}

void Meters::describe_daemon(const HostFacts& facts, const std::string& id) {
    metrics_
        .gauge("engine_daemon_engine_cpus_cpus",
               "The number of cpus that the host system of the engine has")
        .set(facts.processors);
    metrics_
        .gauge("engine_daemon_engine_memory_bytes",
               "The number of bytes of memory that the host system of the engine has")
        .set(static_cast<double>(facts.memory_bytes));
    metrics_
        .gauge("engine_daemon_engine_info",
               "The information related to the engine and the OS it is running on",
               {{"architecture", facts.architecture},
                {"daemon_id", id},
                {"graphdriver", "overlay2"},
                {"kernel", facts.kernel},
                {"os", facts.system},
                {"os_type", "linux"},
                {"os_version", facts.system_version},
                {"version", SHOAL_VERSION}})
        .set(1);
}

Meters::Kept& Meters::kept(std::string_view method, std::string_view pattern, int status) {
    key_.assign(method).append(" ").append(pattern).append(" ").append(std::to_string(status));
    const auto found = kept_.find(key_);
    if (found != kept_.end()) { return found->second; }
    const std::string route(pattern);
    Kept made{metrics_.counter("shoal_api_requests_total",
                               "Requests to the API by operation and status",
                               {{"method", std::string(method)},
                                {"route", route},
                                {"status", std::to_string(status)}}),
              metrics_.histogram("shoal_api_request_seconds",
                                 "How long requests to the API took, streams included",
                                 {{"route", route}})};
    return kept_.emplace(key_, made).first->second;
}

void Meters::count_request(std::string_view method, std::string_view pattern, int status,
                           std::chrono::nanoseconds took) {
    Kept& of_operation = kept(method, pattern, status);
    of_operation.requests.add();
    of_operation.seconds.observe(std::chrono::duration<double>(took).count());
}

void Meters::set_network_repairs(std::uint64_t count) {
    repairs_.add(static_cast<double>(count) - repairs_.value());
}

void Meters::set_containers(int running, int paused, int stopped) {
    const auto set = [&](const char* state, int count) {
        metrics_
            .gauge("engine_daemon_container_states_containers",
                   "The count of containers in various states", {{"state", state}})
            .set(count);
    };
    set("running", running);
    set("paused", paused);
    set("stopped", stopped);
}

} // namespace shoal::api
