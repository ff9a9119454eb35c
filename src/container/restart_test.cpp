#include "container/restart.h"

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace shoal::container {
namespace {

RestartEnd end(int code, nanoseconds ran_for = 1s) {
    RestartEnd end;
    end.exit_code = code;
    end.ran_for = ran_for;
    return end;
}

TEST(Restart, doubles_the_delay_up_to_a_minute) {
    RestartState state;
    const RestartPolicy always{"always"};
    EXPECT_EQ(plan_restart(always, state, end(0)), 100ms);
    EXPECT_EQ(plan_restart(always, state, end(1)), 200ms);
    EXPECT_EQ(plan_restart(always, state, end(1)), 400ms);
    for (int i = 0; i < 20; ++i) { (void)plan_restart(always, state, end(1)); }
    EXPECT_EQ(plan_restart(always, state, end(1)), 60s);
    EXPECT_EQ(state.count, 24);
}

TEST(Restart, begins_anew_after_a_run_of_ten_seconds) {
    RestartState state;
    const RestartPolicy always{"always"};
    (void)plan_restart(always, state, end(1));
    (void)plan_restart(always, state, end(1));
    EXPECT_EQ(plan_restart(always, state, end(1, 10s)), 100ms);
    RestartEnd failed = end(1, 11s);
    failed.start_failed = true;
    EXPECT_EQ(plan_restart(always, state, failed), 200ms);
}

TEST(Restart, on_failure_wants_a_failure_and_counts) {
    RestartState state;
    const RestartPolicy policy{"on-failure", 2};
    EXPECT_FALSE(plan_restart(policy, state, end(0)));
    EXPECT_TRUE(plan_restart(policy, state, end(1)));
    EXPECT_TRUE(plan_restart(policy, state, end(1)));
    EXPECT_FALSE(plan_restart(policy, state, end(1)));
}

TEST(Restart, respects_who_stopped_it) {
    RestartState state;
    RestartEnd stopped = end(0);
    stopped.stopped_by_user = true;
    EXPECT_FALSE(plan_restart({"always"}, state, stopped));
    RestartEnd shutdown = end(0);
    shutdown.daemon_stopping = true;
    EXPECT_FALSE(plan_restart({"always"}, state, shutdown));
    EXPECT_FALSE(plan_restart({"no"}, state, end(1)));
    EXPECT_FALSE(plan_restart({""}, state, end(1)));
}

TEST(Restart, at_boot_depends_on_policy_and_hand) {
    EXPECT_TRUE(restarts_at_boot({"always"}, true));
    EXPECT_TRUE(restarts_at_boot({"unless-stopped"}, false));
    EXPECT_FALSE(restarts_at_boot({"unless-stopped"}, true));
    EXPECT_FALSE(restarts_at_boot({"on-failure"}, false));
}

} // namespace
} // namespace shoal::container
