#include "net/pipe_pair.h"
#include "net/scope.h"
#include "net/sleep.h"

#include <gtest/gtest.h>

namespace shoal::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

Task<nanoseconds> sleep_a_day(Loop* loop) {
    const auto begin = loop->now();
    co_await sleep(*loop, loop->in(hours(24)));
    co_return loop->now() - begin;
}

TEST(VirtualTime, jumps_over_a_day_of_waiting) {
    Loop loop(Loop::Time::Virtual);
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(run_task(loop, sleep_a_day(&loop)), hours(24));
    EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(10));
}

Task<void> note(Loop* loop, milliseconds when, int number, std::vector<int>* order) {
    co_await sleep(*loop, loop->in(when));
    order->push_back(number);
}

Task<void> three_sleepers(Loop* loop, std::vector<int>* order) {
    TaskScope scope(*loop);
    scope.spawn(note(loop, milliseconds(30), 3, order));
    scope.spawn(note(loop, milliseconds(10), 1, order));
    scope.spawn(note(loop, milliseconds(20), 2, order));
    co_await scope.drain({});
}

TEST(VirtualTime, wakes_sleepers_in_order) {
    Loop loop(Loop::Time::Virtual);
    std::vector<int> order;
    run_task(loop, three_sleepers(&loop, &order));
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

struct Link {
    Loop loop{Loop::Time::Virtual};
    std::optional<nanoseconds> delay = milliseconds(5);
    StreamPtr here, there;
    Link() {
        LinkWeather weather{[this](std::size_t) { return delay; }};
        std::tie(here, there) = make_pipe_pair(loop, "a", "b", weather, weather);
    }
};

Task<Result<std::string>> read_once(Stream* stream, Until until) {
    char buffer[64];
    CO_TRY_LET(got, co_await stream->read_some(std::span<char>(buffer), until));
    co_return std::string(buffer, got);
}

Task<Result<std::string>> send_and_read(Link* link, nanoseconds* took) {
    const auto begin = link->loop.now();
    CO_TRY(co_await link->here->write_all("hello", {}));
    auto got = co_await read_once(link->there.get(), {});
    *took = link->loop.now() - begin;
    co_return got;
}

TEST(PipePair, bytes_arrive_after_their_delay) {
    Link link;
    nanoseconds took{};
    const auto got = run_task(link.loop, send_and_read(&link, &took));
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, "hello");
    EXPECT_EQ(took, milliseconds(5));
    EXPECT_EQ(link.there->peer(), "a");
}

Task<Result<std::string>> send_into_nothing(Link* link) {
    link->delay.reset();
    CO_TRY(co_await link->here->write_all("lost", {}));
    co_return co_await read_once(link->there.get(), link->loop.in(seconds(3)));
}

TEST(PipePair, a_black_hole_swallows_and_the_reader_gives_up) {
    Link link;
    const auto got = run_task(link.loop, send_into_nothing(&link));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::Timeout);
}

Task<Result<std::string>> read_after_close(Link* link) {
    CO_TRY(co_await link->here->write_all("last", {}));
    link->here->close();
    CO_TRY_LET(first, co_await read_once(link->there.get(), {}));
    CO_TRY_LET(second, co_await read_once(link->there.get(), {}));
    co_return first + "|" + second;
}

TEST(PipePair, what_was_sent_before_the_end_is_still_read) {
    Link link;
    const auto got = run_task(link.loop, read_after_close(&link));
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, "last|");
}

} // namespace
} // namespace shoal::net
