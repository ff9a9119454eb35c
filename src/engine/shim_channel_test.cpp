#include "engine/shim_channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <thread>

namespace shoal::engine {
namespace {

using container::Frame;

net::Until late() { return Deadline::in(std::chrono::seconds(20)); }
net::Until at_once() { return Deadline::in(std::chrono::milliseconds(10)); }

/// A channel, and the monitor's end of its socket.
class ShimChannels : public ::testing::Test {
  protected:
    void SetUp() override {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        monitor = net::adopt_stream(loop, os::Fd(ends[0]));
        channel = ShimChannel::open(loop, scope, os::Fd(ends[1]), false);
    }
    void TearDown() override { net::run_task(loop, scope.close()); }

    Result<void> ask(Frame frame, net::Until until) {
        return net::run_task(loop, channel->request(frame, "", until));
    }
    /// Waits for so many commands, then gives these answers at once.
    net::Task<void> answer_all(std::vector<std::pair<Frame, std::string>> answers) {
        std::string buffer(4096, '\0');
        std::size_t commands = 0;
        while (commands < answers.size()) {
            const std::span<char> into(buffer);
            auto got = co_await monitor->read_some(into, late());
            if (!got || *got == 0) { break; }
            decoder.feed(std::string_view(buffer).substr(0, *got));
            for (auto item = decoder.next(); item && *item; item = decoder.next()) { ++commands; }
        }
        std::string bytes;
        for (const auto& [frame, payload] : answers) {
            bytes += container::encode_frame(frame, payload);
        }
        const auto sent = co_await monitor->write_all(bytes, late());
        EXPECT_TRUE(sent);
    }

    /// The whole loop stands still between the command and its answer.
    net::Task<void> answer_after_a_stall() {
        std::string buffer(4096, '\0');
        const std::span<char> into(buffer);
        auto got = co_await monitor->read_some(into, late());
        EXPECT_TRUE(got);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        const std::string answer = container::encode_frame(Frame::Done, "");
        const auto sent = co_await monitor->write_all(answer, late());
        EXPECT_TRUE(sent);
    }

    net::Loop loop;
    net::TaskScope scope{loop};
    net::StreamPtr monitor;
    container::FrameDecoder decoder;
    std::shared_ptr<ShimChannel> channel;
};

TEST_F(ShimChannels, give_each_command_its_own_answer) {
    scope.spawn(answer_all({{Frame::Done, ""}}));
    EXPECT_TRUE(ask(Frame::Start, late()));
    scope.spawn(answer_all({{Frame::Failed, "no such process"}}));
    const auto refused = ask(Frame::Signal, late());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "no such process");
}

TEST_F(ShimChannels, do_not_give_an_answer_that_is_late_to_the_next_command) {
    const auto first = ask(Frame::Resize, at_once());
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().code, Errc::Timeout);
    // Both come while the second is waiting.
    scope.spawn(answer_all({{Frame::Failed, "of the first"}, {Frame::Done, ""}}));
    const auto second = ask(Frame::Start, late());
    EXPECT_TRUE(second) << second.error().message;
}

TEST_F(ShimChannels, forget_answers_that_came_while_nobody_asked) {
    ASSERT_FALSE(ask(Frame::Resize, at_once()));
    net::run_task(loop, answer_all({{Frame::Failed, "of the first"}}));
    ASSERT_FALSE(ask(Frame::Signal, at_once())); // lets the loop read it, too
    scope.spawn(answer_all({{Frame::Failed, "of the second"}, {Frame::Done, ""}}));
    const auto third = ask(Frame::Start, late());
    EXPECT_TRUE(third) << third.error().message;
}

TEST_F(ShimChannels, stay_in_step_when_an_answer_comes_as_the_time_is_up) {
    for (int i = 0; i < 20; ++i) {
        scope.spawn(answer_after_a_stall());
        const auto first = ask(Frame::Resize, at_once());
        EXPECT_TRUE(first || first.error().code == Errc::Timeout);
        scope.spawn(answer_all({{Frame::Done, ""}}));
        const auto second = ask(Frame::Start, Deadline::in(std::chrono::seconds(5)));
        ASSERT_TRUE(second) << second.error().message;
    }
}

TEST_F(ShimChannels, say_that_the_monitor_is_gone) {
    monitor.reset();
    const auto sent = ask(Frame::Start, late());
    ASSERT_FALSE(sent);
}

} // namespace
} // namespace shoal::engine
