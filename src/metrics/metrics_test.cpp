#include "metrics/metrics.h"

#include <gtest/gtest.h>

namespace shoal::metrics {
namespace {

TEST(Metrics, counts_by_name_and_labels) {
    Metrics all;
    all.counter("events_total", "Events.", {{"type", "a"}}).add();
    all.counter("events_total", "Events.", {{"type", "a"}}).add(2);
    all.counter("events_total", "Events.", {{"type", "b"}}).add();
    EXPECT_EQ(all.counter("events_total", "Events.", {{"type", "a"}}).value(), 3);
    const auto text = all.text();
    EXPECT_NE(text.find("# TYPE events_total counter"), std::string::npos);
    EXPECT_NE(text.find("events_total{type=\"a\"} 3"), std::string::npos);
    EXPECT_NE(text.find("events_total{type=\"b\"} 1"), std::string::npos);
}

TEST(Metrics, gauges_go_up_and_down) {
    Metrics all;
    auto running = all.gauge("containers", "Containers.", {{"state", "running"}});
    running.set(5);
    running.add(-2);
    EXPECT_EQ(running.value(), 3);
}

TEST(Metrics, histograms_have_a_sum_and_a_count) {
    Metrics all;
    all.histogram("seconds", "Time.").observe(0.02);
    const auto text = all.text();
    EXPECT_NE(text.find("seconds_count 1"), std::string::npos);
    EXPECT_NE(text.find("seconds_bucket{le=\"0.025\"} 1"), std::string::npos);
    EXPECT_NE(text.find("seconds_bucket{le=\"0.01\"} 0"), std::string::npos);
}

} // namespace
} // namespace shoal::metrics
