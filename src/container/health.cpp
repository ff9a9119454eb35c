#include "container/health.h"

#include <algorithm>

namespace shoal::container {
namespace {

using namespace std::chrono_literals;

nanoseconds or_default(nanoseconds value, nanoseconds fallback) {
    return value == nanoseconds(0) ? fallback : value;
}

constexpr std::string_view status_names[] = {"none", "starting", "healthy", "unhealthy"};

bool in_start_period(const HealthPlan& plan, const Health& health, Instant started, Instant now) {
    return health.status == HealthStatus::Starting && now - started < plan.start_period;
}

} // namespace

HealthPlan plan_health(const std::optional<HealthConfig>& config,
                       const std::vector<std::string>& shell) {
    HealthPlan plan;
    if (!config || config->test.size() < 2) { return plan; }
    const std::string& kind = config->test.front();
    if (kind == "CMD") {
        plan.command.assign(config->test.begin() + 1, config->test.end());
    } else if (kind == "CMD-SHELL") {
        plan.shell = true;
        plan.command = shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : shell;
        plan.command.push_back(config->test[1]);
    } else {
        return plan;
    }
    plan.enabled = true;
    plan.interval = or_default(config->interval, 30s);
    plan.timeout = or_default(config->timeout, 30s);
    plan.start_period = config->start_period;
    plan.start_interval = or_default(config->start_interval, 5s);
    plan.retries = config->retries == 0 ? 3 : config->retries;
    return plan;
}

bool from_text(std::string_view text, HealthStatus& status) {
    const auto* found = std::find(std::begin(status_names), std::end(status_names), text);
    if (found == std::end(status_names)) { return false; }
    status = static_cast<HealthStatus>(found - std::begin(status_names));
    return true;
}

std::string to_text(HealthStatus status) {
    return std::string(status_names[static_cast<std::size_t>(status)]);
}

Json health_json(const Health& health) {
    Json log = Json::array();
    for (const auto& result : health.log) {
        log.push_back(Json{{"Start", format_rfc3339(result.start)},
                           {"End", format_rfc3339(result.end)},
                           {"ExitCode", result.exit_code},
                           {"Output", result.output}});
    }
    return Json{{"Status", to_text(health.status)},
                {"FailingStreak", health.failing_streak},
                {"Log", std::move(log)}};
}

Health begin_health(const HealthPlan& plan) {
    Health health;
    health.status = plan.enabled ? HealthStatus::Starting : HealthStatus::None;
    return health;
}

nanoseconds next_probe_in(const HealthPlan& plan, const Health& health, Instant started,
                          Instant now) {
    return in_start_period(plan, health, started, now)
               ? std::min(plan.start_interval, plan.interval)
               : plan.interval;
}

bool apply_probe(const HealthPlan& plan, Health& health, Instant started, HealthResult result) {
    const HealthStatus before = health.status;
    const bool starting = in_start_period(plan, health, started, result.start);
    if (result.exit_code == 0) {
        health.status = HealthStatus::Healthy;
        health.failing_streak = 0;
    } else if (!starting) {
        // Failures while the container starts up do not count.
        ++health.failing_streak;
        if (health.failing_streak >= plan.retries) { health.status = HealthStatus::Unhealthy; }
    }
    if (result.output.size() > health_output_bytes_max) {
        result.output.resize(health_output_bytes_max);
    }
    health.log.push_back(std::move(result));
    while (health.log.size() > health_log_max) { health.log.pop_front(); }
    return health.status != before;
}

HealthResult timed_out_probe(const HealthPlan& plan, Instant start, Instant end,
                             std::string output) {
    HealthResult result{start, end, -1, std::move(output)};
    result.output = "Health check exceeded timeout (" + format_duration(plan.timeout) + ")" +
                    (result.output.empty() ? "" : ": " + result.output);
    return result;
}

} // namespace shoal::container
