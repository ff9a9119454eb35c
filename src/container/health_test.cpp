#include "container/health.h"

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace shoal::container {
namespace {

const Instant start = from_unix_nanos(1'000'000'000'000'000'000);

HealthConfig config() {
    HealthConfig config;
    config.test = {"CMD", "check"};
    config.interval = 10s;
    config.retries = 2;
    return config;
}

HealthResult result(int code, nanoseconds after) {
    return {start + after, start + after + 1s, code, "text"};
}

TEST(Health, has_dockers_defaults) {
    HealthConfig bare;
    bare.test = {"CMD-SHELL", "curl -f x"};
    const auto plan = plan_health(bare, {});
    EXPECT_TRUE(plan.enabled);
    EXPECT_EQ(plan.command, (std::vector<std::string>{"/bin/sh", "-c", "curl -f x"}));
    EXPECT_EQ(plan.interval, 30s);
    EXPECT_EQ(plan.timeout, 30s);
    EXPECT_EQ(plan.start_period, 0s);
    EXPECT_EQ(plan.start_interval, 5s);
    EXPECT_EQ(plan.retries, 3);
}

TEST(Health, takes_the_containers_shell) {
    HealthConfig bare;
    bare.test = {"CMD-SHELL", "x"};
    EXPECT_EQ(plan_health(bare, {"/bin/bash", "-ec"}).command,
              (std::vector<std::string>{"/bin/bash", "-ec", "x"}));
}

TEST(Health, is_off_without_a_test_and_for_none) {
    EXPECT_FALSE(plan_health(std::nullopt, {}).enabled);
    EXPECT_FALSE(plan_health(HealthConfig{}, {}).enabled);
    HealthConfig none;
    none.test = {"NONE"};
    EXPECT_FALSE(plan_health(none, {}).enabled);
    EXPECT_EQ(begin_health(plan_health(none, {})).status, HealthStatus::None);
}

TEST(Health, goes_down_after_the_retries_and_up_at_once) {
    const auto plan = plan_health(config(), {});
    Health health = begin_health(plan);
    EXPECT_EQ(health.status, HealthStatus::Starting);
    EXPECT_FALSE(apply_probe(plan, health, start, result(1, 10s)));
    EXPECT_TRUE(apply_probe(plan, health, start, result(1, 20s)));
    EXPECT_EQ(health.status, HealthStatus::Unhealthy);
    EXPECT_FALSE(apply_probe(plan, health, start, result(1, 30s)));
    EXPECT_EQ(health.failing_streak, 3);
    EXPECT_TRUE(apply_probe(plan, health, start, result(0, 40s)));
    EXPECT_EQ(health.status, HealthStatus::Healthy);
    EXPECT_EQ(health.failing_streak, 0);
}

TEST(Health, does_not_count_failures_of_the_start_period) {
    auto wish = config();
    wish.start_period = 60s;
    wish.start_interval = 2s;
    const auto plan = plan_health(wish, {});
    Health health = begin_health(plan);
    EXPECT_EQ(next_probe_in(plan, health, start, start + 1s), 2s);
    EXPECT_FALSE(apply_probe(plan, health, start, result(1, 10s)));
    EXPECT_FALSE(apply_probe(plan, health, start, result(1, 59s)));
    EXPECT_EQ(health.failing_streak, 0);
    EXPECT_EQ(next_probe_in(plan, health, start, start + 61s), 10s);
    EXPECT_FALSE(apply_probe(plan, health, start, result(1, 61s)));
    EXPECT_TRUE(apply_probe(plan, health, start, result(1, 71s)));
}

TEST(Health, counts_again_once_it_was_healthy_within_the_start_period) {
    auto wish = config();
    wish.start_period = 60s;
    const auto plan = plan_health(wish, {});
    Health health = begin_health(plan);
    EXPECT_TRUE(apply_probe(plan, health, start, result(0, 5s)));
    EXPECT_EQ(next_probe_in(plan, health, start, start + 6s), 10s);
    EXPECT_FALSE(apply_probe(plan, health, start, result(1, 15s)));
    EXPECT_TRUE(apply_probe(plan, health, start, result(1, 25s)));
}

TEST(Health, keeps_five_results_with_cut_output) {
    const auto plan = plan_health(config(), {});
    Health health = begin_health(plan);
    for (int i = 0; i < 7; ++i) {
        HealthResult one = result(i, 10s * i);
        one.output.assign(10'000, 'x');
        (void)apply_probe(plan, health, start, one);
    }
    EXPECT_EQ(health.log.size(), 5u);
    EXPECT_EQ(health.log.front().exit_code, 2);
    EXPECT_EQ(health.log.back().output.size(), health_output_bytes_max);
}

TEST(Health, says_what_ran_too_long) {
    auto wish = config();
    wish.timeout = 3s;
    const auto late = timed_out_probe(plan_health(wish, {}), start, start + 3s, "so far");
    EXPECT_EQ(late.exit_code, -1);
    EXPECT_EQ(late.output, "Health check exceeded timeout (3s): so far");
}

} // namespace
} // namespace shoal::container
