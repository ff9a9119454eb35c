// The health of a container as a pure state machine: when the next probe is due, and what its
// result changes. The engine runs the probes and owns the clock.
#pragma once

#include "base/clock.h"
#include "base/codec.h"
#include "container/config.h"

#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::container {

inline constexpr std::size_t health_log_max = 5;
inline constexpr std::size_t health_output_bytes_max = 4096;

/// HealthConfig with Docker's defaults filled in: 30 s, 30 s, 0 s, 5 s, 3.
struct HealthPlan {
    bool enabled = false;
    bool shell = false; ///< CMD-SHELL: run by the container's shell
    std::vector<std::string> command;
    nanoseconds interval{}, timeout{}, start_period{}, start_interval{};
    int retries = 3;
};
/// `shell` is Config.Shell; empty means /bin/sh -c.
HealthPlan plan_health(const std::optional<HealthConfig>& config,
                       const std::vector<std::string>& shell);

enum class HealthStatus { None, Starting, Healthy, Unhealthy };
bool from_text(std::string_view text, HealthStatus& status);
std::string to_text(HealthStatus status); ///< "none", "starting", "healthy", "unhealthy"

struct HealthResult {
    Instant start;
    Instant end;
    int exit_code = 0; ///< 0 healthy; -1 when it could not run or ran too long
    std::string output;
    bool operator==(const HealthResult&) const = default;
};
struct Health {
    HealthStatus status = HealthStatus::None;
    int failing_streak = 0;
    std::deque<HealthResult> log;
    bool operator==(const Health&) const = default;
};
Json health_json(const Health& health); ///< State.Health of inspect

/// The state at container start.
Health begin_health(const HealthPlan& plan);
/// How long to wait before the next probe, counted from the end of the last one (or the start).
nanoseconds next_probe_in(const HealthPlan& plan, const Health& health, Instant started,
                          Instant now);
/// Takes a result in. True when the status changed: time for an event "health_status: healthy".
bool apply_probe(const HealthPlan& plan, Health& health, Instant started, HealthResult result);
/// The result of a probe that ran into its timeout.
HealthResult timed_out_probe(const HealthPlan& plan, Instant start, Instant end,
                             std::string output);

} // namespace shoal::container
