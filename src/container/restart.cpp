#include "container/restart.h"

#include <algorithm>

namespace shoal::container {
namespace {

bool wants_restart(const RestartPolicy& policy, const RestartState& state, const RestartEnd& end) {
    if (policy.name == "always" || policy.name == "unless-stopped") { return true; }
    if (policy.name != "on-failure" || end.exit_code == 0) { return false; }
    return policy.maximum_retry_count == 0 || state.count < policy.maximum_retry_count;
}

} // namespace

bool is_none(const RestartPolicy& policy) { return policy.name.empty() || policy.name == "no"; }

std::optional<nanoseconds> plan_restart(const RestartPolicy& policy, RestartState& state,
                                        const RestartEnd& end) {
    if (end.stopped_by_user || end.daemon_stopping || !wants_restart(policy, state, end)) {
        return std::nullopt;
    }
    const bool ran_well = !end.start_failed && end.ran_for >= restart_reset_after;
    if (state.delay == nanoseconds(0) || ran_well) {
        state.delay = restart_delay_min;
    } else {
        state.delay = std::min(state.delay * 2, restart_delay_max);
    }
    ++state.count;
    return state.delay;
}

bool restarts_at_boot(const RestartPolicy& policy, bool stopped_by_user) {
    if (policy.name == "always") { return true; }
    return policy.name == "unless-stopped" && !stopped_by_user;
}

} // namespace shoal::container
