#include "api/container_status.h"

#include "base/time.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

using container::HealthStatus;
using engine::State;
using engine::Status;

const Instant now = from_unix_nanos(1'700'000'000'000'000'000);

State state(Status status, int exit_code = 0) {
    State state;
    state.status = status;
    state.exit_code = exit_code;
    state.started_at = now - std::chrono::minutes(3);
    state.finished_at = now - std::chrono::seconds(5);
    return state;
}

TEST(StatusText, says_how_long_it_has_been_running) {
    EXPECT_EQ(status_text(state(Status::Running), HealthStatus::None, now), "Up 3 minutes");
    EXPECT_EQ(status_text(state(Status::Running), HealthStatus::Healthy, now),
              "Up 3 minutes (healthy)");
    EXPECT_EQ(status_text(state(Status::Running), HealthStatus::Unhealthy, now),
              "Up 3 minutes (unhealthy)");
    EXPECT_EQ(status_text(state(Status::Running), HealthStatus::Starting, now),
              "Up 3 minutes (health: starting)");
    EXPECT_EQ(status_text(state(Status::Paused), HealthStatus::Healthy, now),
              "Up 3 minutes (Paused)");
}

TEST(StatusText, says_how_it_ended) {
    EXPECT_EQ(status_text(state(Status::Exited, 137), HealthStatus::None, now),
              "Exited (137) 5 seconds ago");
    EXPECT_EQ(status_text(state(Status::Restarting, 1), HealthStatus::None, now),
              "Restarting (1) 5 seconds ago");
    EXPECT_EQ(status_text(state(Status::Removing), HealthStatus::None, now), "Removal In Progress");
    EXPECT_EQ(status_text(state(Status::Dead), HealthStatus::None, now), "Dead");
    EXPECT_EQ(status_text(State{}, HealthStatus::None, now), "Created");
}

} // namespace
} // namespace shoal::api
