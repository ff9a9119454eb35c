#include "base/time.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

using namespace std::chrono_literals;

Instant at(std::int64_t seconds, std::int64_t nanos = 0) {
    return from_unix_nanos(seconds * 1'000'000'000 + nanos);
}

TEST(Time, writes_rfc3339_as_go_does) {
    EXPECT_EQ(format_rfc3339(at(1700000000)), "2023-11-14T22:13:20Z");
    EXPECT_EQ(format_rfc3339(at(1700000000, 120)), "2023-11-14T22:13:20.00000012Z");
    EXPECT_EQ(format_rfc3339_fixed(at(1700000000, 120)), "2023-11-14T22:13:20.000000120Z");
    EXPECT_EQ(format_rfc3339(Instant{}), "0001-01-01T00:00:00Z");
}

TEST(Time, reads_rfc3339_with_zones) {
    EXPECT_EQ(*parse_rfc3339("2023-11-14T22:13:20Z"), at(1700000000));
    EXPECT_EQ(*parse_rfc3339("2023-11-14T23:13:20.5+01:00"), at(1700000000, 500000000));
    EXPECT_EQ(*parse_rfc3339("0001-01-01T00:00:00Z"), Instant{});
    for (const auto* bad :
         {"", "2023", "2023-13-01T00:00:00Z", "2023-11-14T25:00:00Z", "2023-11-14T22:13:20"}) {
        EXPECT_FALSE(parse_rfc3339(bad)) << bad;
    }
}

TEST(Time, reads_the_timestamps_of_the_api) {
    const Instant now = at(2000);
    EXPECT_EQ(*parse_timestamp("1700000000", now), at(1700000000));
    EXPECT_EQ(*parse_timestamp("1700000000.000000120", now), at(1700000000, 120));
    EXPECT_EQ(*parse_timestamp("2023-11-14", now), at(1699920000));
    EXPECT_EQ(*parse_timestamp("2023-11-14T22:13", now), at(1699999980));
    EXPECT_EQ(*parse_timestamp("10m", now), at(1400));
    EXPECT_EQ(*parse_timestamp("0", now), at(0));
    EXPECT_FALSE(parse_timestamp("yesterday", now));
}

TEST(Time, reads_and_writes_go_durations) {
    EXPECT_EQ(*parse_duration("1h30m"), 90min);
    EXPECT_EQ(*parse_duration("-1.5s"), -1500ms);
    EXPECT_EQ(*parse_duration("0"), 0ns);
    for (const auto* bad : {"", "1", "1x", "h", "1h-2m"}) {
        EXPECT_FALSE(parse_duration(bad)) << bad;
    }
    EXPECT_EQ(format_duration(90min), "1h30m0s");
    EXPECT_EQ(format_duration(1500ms), "1.5s");
    EXPECT_EQ(format_duration(1500us), "1.5ms");
    EXPECT_EQ(format_duration(-61s), "-1m1s");
    EXPECT_EQ(format_duration(0s), "0s");
}

TEST(Time, says_spans_as_docker_does) {
    EXPECT_EQ(human_duration(500ms), "Less than a second");
    EXPECT_EQ(human_duration(1s), "1 second");
    EXPECT_EQ(human_duration(45s), "45 seconds");
    EXPECT_EQ(human_duration(60s), "About a minute");
    EXPECT_EQ(human_duration(3min), "3 minutes");
    EXPECT_EQ(human_duration(60min), "About an hour");
    EXPECT_EQ(human_duration(36h), "36 hours");
    EXPECT_EQ(human_duration(24h * 3), "3 days");
    EXPECT_EQ(human_duration(24h * 21), "3 weeks");
    EXPECT_EQ(human_duration(24h * 100), "3 months");
    EXPECT_EQ(human_duration(24h * 800), "2 years");
}

} // namespace
} // namespace shoal
