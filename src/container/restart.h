// Whether a container that ended is started again, and after how long: Docker's policies and
// back-off as pure functions.
#pragma once

#include "base/clock.h"
#include "container/config.h"

#include <optional>

namespace shoal::container {

inline constexpr nanoseconds restart_delay_min = std::chrono::milliseconds(100);
inline constexpr nanoseconds restart_delay_max = std::chrono::minutes(1);
inline constexpr nanoseconds restart_reset_after = std::chrono::seconds(10);

/// What is remembered between restarts; a start by hand begins with a fresh one.
struct RestartState {
    nanoseconds delay{0};
    int count = 0; ///< RestartCount
};
struct RestartEnd {
    int exit_code = 0;
    nanoseconds ran_for{0};
    bool stopped_by_user = false;
    bool daemon_stopping = false;
    bool start_failed = false; ///< it never ran
};
/// How long to wait before the next start, or nothing: it stays down. Updates `state`.
std::optional<nanoseconds> plan_restart(const RestartPolicy& policy, RestartState& state,
                                        const RestartEnd& end);
/// Whether the daemon starts it when it comes up itself.
bool restarts_at_boot(const RestartPolicy& policy, bool stopped_by_user);
bool is_none(const RestartPolicy& policy); ///< "" and "no"

} // namespace shoal::container
