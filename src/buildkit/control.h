// Messages of BuildKit's Control service and of the gateway by which a client steers its own build,
// as plain values. What cannot be asked of builds from Dockerfiles is noted as a flag, so that the
// service can refuse it by name. Pure.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shoal::buildkit {

inline constexpr auto method_solve = "/moby.buildkit.v1.Control/Solve";
inline constexpr auto method_status = "/moby.buildkit.v1.Control/Status";
inline constexpr auto method_session = "/moby.buildkit.v1.Control/Session";
inline constexpr auto method_workers = "/moby.buildkit.v1.Control/ListWorkers";
inline constexpr auto method_info = "/moby.buildkit.v1.Control/Info";
inline constexpr auto method_disk_usage = "/moby.buildkit.v1.Control/DiskUsage";
inline constexpr auto method_prune = "/moby.buildkit.v1.Control/Prune";
inline constexpr auto method_listen_history = "/moby.buildkit.v1.Control/ListenBuildHistory";
inline constexpr auto method_update_history = "/moby.buildkit.v1.Control/UpdateBuildHistory";
inline constexpr auto method_gateway_ping = "/moby.buildkit.v1.frontend.LLBBridge/Ping";
inline constexpr auto method_gateway_solve = "/moby.buildkit.v1.frontend.LLBBridge/Solve";
inline constexpr auto method_gateway_evaluate = "/moby.buildkit.v1.frontend.LLBBridge/Evaluate";
inline constexpr auto method_gateway_inputs = "/moby.buildkit.v1.frontend.LLBBridge/Inputs";
inline constexpr auto method_gateway_return = "/moby.buildkit.v1.frontend.LLBBridge/Return";
/// Which build a call of the gateway belongs to.
inline constexpr auto key_build_id = "buildkit-controlapi-buildid";

using Attributes = std::map<std::string, std::string>;
/// An exporter, or a cache to be read or written.
struct Typed {
    std::string type;
    Attributes attributes;
};

struct SolveRequest {
    std::string ref;
    std::string session;
    std::string frontend; ///< "" when the client steers by the gateway
    Attributes attributes;
    std::vector<Typed> exporters;
    std::vector<Typed> cache_exports;
    std::vector<Typed> cache_imports;
    std::vector<std::string> entitlements;
    bool has_definition = false;
    bool has_inputs = false;
    bool has_policy = false;
};
Result<SolveRequest> parse_solve_request(const std::string& bytes);
std::string print_solve_response(const Attributes& exporter_response);
/// The ref.
Result<std::string> parse_status_request(const std::string& bytes);

struct Worker {
    std::string id;
    Attributes labels;
    std::string os;
    std::string architecture;
    std::string variant;
    std::string version; ///< of the program
};
std::string print_workers_response(const Worker& worker);
std::string print_info_response(const Worker& worker);

struct UsageRecord {
    std::string id;
    std::string parent;
    std::string type;
    std::string description;
    bool in_use = false;
    bool shared = false;
    std::int64_t size = 0;
    Instant created;
    std::optional<Instant> last_used;
    int usage_count = 0;
};
Result<std::vector<std::string>> parse_disk_usage_request(const std::string& bytes); ///< filters
std::string print_disk_usage_response(const std::vector<UsageRecord>& records);
std::string print_usage_record(const UsageRecord& record);

struct PruneWish {
    std::vector<std::string> filters;
    bool all = false;
    nanoseconds keep_duration{0};
    std::int64_t reserved_bytes = 0;
    std::int64_t used_bytes_max = 0;
    std::int64_t free_bytes_min = 0;
};
Result<PruneWish> parse_prune_request(const std::string& bytes);

struct HistoryWish {
    bool active_only = false;
    bool early_exit = false;
};
Result<HistoryWish> parse_history_request(const std::string& bytes);

struct GatewaySolve {
    std::string frontend;
    Attributes attributes;
    std::vector<Typed> cache_imports;
    bool has_definition = false;
    bool has_inputs = false;
    bool has_policy = false;
    bool result_return = false; ///< the client understands a result with references
    bool result_array = false;  ///< and in their newer form
};
Result<GatewaySolve> parse_gateway_solve(const std::string& bytes);
std::string print_gateway_solve(const GatewaySolve& asked, const std::string& ref);
std::string print_pong(const Worker& worker);

/// The end of a build that the client steered: a reference, or why there is none.
struct Returned {
    std::string ref; ///< "" for an empty result
    std::optional<Error> error;
};
Result<Returned> parse_return_request(const std::string& bytes);

} // namespace shoal::buildkit
