#include "api/container_status.h"

#include "base/time.h"

namespace shoal::api {

using container::HealthStatus;
using engine::Status;

namespace {

std::string up_text(const engine::State& state, HealthStatus health, Instant now) {
    std::string text = "Up " + human_duration(now - state.started_at);
    if (state.status == Status::Paused) { return text + " (Paused)"; }
    switch (health) {
    case HealthStatus::None:
        return text;
    case HealthStatus::Starting:
        return text + " (health: starting)";
    case HealthStatus::Healthy:
        return text + " (healthy)";
    case HealthStatus::Unhealthy:
        return text + " (unhealthy)";
    }
    return text;
}

std::string over_text(std::string_view word, const engine::State& state, Instant now) {
    return std::string(word) + " (" + std::to_string(state.exit_code) + ") " +
           human_duration(now - state.finished_at) + " ago";
}

} // namespace

std::string status_text(const engine::State& state, HealthStatus health, Instant now) {
    switch (state.status) {
    case Status::Running:
    case Status::Paused:
        return up_text(state, health, now);
    case Status::Restarting:
        return over_text("Restarting", state, now);
    case Status::Removing:
        return "Removal In Progress";
    case Status::Dead:
        return "Dead";
    case Status::Created:
        return "Created";
    case Status::Exited:
        break;
    }
    if (state.finished_at == Instant{}) { return "Created"; }
    return over_text("Exited", state, now);
}

} // namespace shoal::api
