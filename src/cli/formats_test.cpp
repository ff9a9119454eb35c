#include "cli/formats.h"

#include "base/time.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace shoal::cli {
namespace {

TEST(NaturalOrder, counts_as_people_do) {
    std::vector<std::string> names{"vol10", "vol2", "vol1",   "b", "vol",
                                   "a12b",  "a3",   "vol02x", "Z"};
    std::sort(names.begin(), names.end(), natural_less);
    EXPECT_EQ(names, (std::vector<std::string>{"Z", "a3", "a12b", "b", "vol", "vol1", "vol2",
                                               "vol02x", "vol10"}));
    EXPECT_FALSE(natural_less("a", "a"));
    EXPECT_NE(natural_less("a01", "a1"), natural_less("a1", "a01"));
}

TEST(Moments, of_seconds_print_as_go_does) {
    EXPECT_EQ(date_text_of(1795646131), "2026-11-25 22:35:31 +0000 UTC");
    EXPECT_EQ(date_text_of(0), "1970-01-01 00:00:00 +0000 UTC");
    EXPECT_EQ(date_text_of(zero_time_seconds), "0001-01-01 00:00:00 +0000 UTC");
    EXPECT_EQ(rfc3339_of(1795646131), "2026-11-25T22:35:31Z");
    EXPECT_EQ(rfc3339_of(0), "1970-01-01T00:00:00Z");
    EXPECT_EQ(rfc3339_of(INT64_MIN), "0001-01-01T00:00:00Z");
}

} // namespace
} // namespace shoal::cli
