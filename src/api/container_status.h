// The words for a container's state that people read: "Up 3 minutes (healthy)", "Exited (0) 5
// seconds ago". Pure.
#pragma once

#include "base/clock.h"
#include "engine/container.h"

#include <string>

namespace shoal::api {

std::string status_text(const engine::State& state, container::HealthStatus health, Instant now);

} // namespace shoal::api
