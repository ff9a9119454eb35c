#include "os/clock.h"
#include "os/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace shoal::os {
namespace {

bool is_open(int raw) { return ::fcntl(raw, F_GETFD) >= 0; }

TEST(Fd, closes_once_and_moves) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    Fd writer(ends[1]);
    {
        Fd reader(ends[0]);
        Fd other = std::move(reader);
        EXPECT_FALSE(reader);
        EXPECT_TRUE(is_open(ends[0]));
    }
    EXPECT_FALSE(is_open(ends[0]));
    EXPECT_TRUE(is_open(writer.raw()));
}

TEST(Fd, duplicates_with_close_on_exec) {
    Fd null(::open("/dev/null", O_RDONLY));
    auto copy = null.duplicate();
    ASSERT_TRUE(copy);
    EXPECT_NE(copy->raw(), null.raw());
    EXPECT_EQ(::fcntl(copy->raw(), F_GETFD), FD_CLOEXEC);
    EXPECT_FALSE(Fd().duplicate());
}

TEST(SystemRandom, gives_other_numbers_each_time) {
    SystemRandom random;
    EXPECT_EQ(random.hex(32).size(), 64U);
    EXPECT_NE(random.hex(32), random.hex(32));
}

TEST(SystemClock, is_after_the_year_2020) {
    EXPECT_GT(SystemClock().now().time_since_epoch(), std::chrono::hours(24 * 365 * 50));
}

} // namespace
} // namespace shoal::os
