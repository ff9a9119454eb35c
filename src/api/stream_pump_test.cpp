#include "api/stream_pump.h"

#include "api/framing.h"

#include <gtest/gtest.h>

#include <deque>
#include <sys/socket.h>

namespace shoal::api {
namespace {

/// A program that says its lines, then goes on until it is told to end or its input is closed.
class FakeProgram final : public engine::Attachment {
  public:
    explicit FakeProgram(net::Loop& loop) : changed_(loop) {}
    std::deque<engine::Output> output;
    std::string input;
    bool input_closed = false;
    bool ends_with_input = false;
    bool ended = false;

    void end() {
        ended = true;
        changed_.raise();
    }
    net::Task<Result<engine::Output>> read(net::Until until) override {
        while (output.empty() && !ended) {
            const net::Wake wake = co_await changed_.wait(until);
            if (wake != net::Wake::Raised) { co_return net::to_result(wake, "read").error(); }
        }
        if (output.empty()) { co_return engine::Output{}; }
        auto next = std::move(output.front());
        output.pop_front();
        co_return next;
    }
    net::Task<Result<void>> write(std::string data, net::Until) override {
        input += data;
        co_return ok();
    }
    net::Task<Result<void>> close_input() override {
        input_closed = true;
        if (ends_with_input) { end(); }
        co_return ok();
    }

  private:
    net::Signal changed_;
};

struct Scene {
    net::Loop loop;
    net::StreamPtr client; ///< the far side
    net::StreamPtr server;
    FakeProgram program{loop};

    Scene() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        client = net::adopt_stream(loop, os::Fd(ends[0]));
        server = net::adopt_stream(loop, os::Fd(ends[1]));
    }
};

net::Task<std::string> read_to_end(net::Stream& stream) {
    std::string text;
    std::vector<char> buffer(1000);
    const net::Until until(Deadline::in(std::chrono::seconds(5)));
    for (;;) {
        auto got = co_await stream.read_some(buffer, until);
        if (!got || *got == 0) { co_return text; }
        text.append(buffer.data(), *got);
    }
}

net::Task<StreamPump::Ended> pump_until_close(Scene& scene, StreamPump::Options options,
                                              std::string& heard) {
    StreamPump pump(scene.loop, *scene.server, scene.program, options);
    net::TaskScope scope(scene.loop);
    struct Listen {
        static net::Task<void> run(Scene& scene, std::string& heard) {
            heard = co_await read_to_end(*scene.client);
            scene.client->close();
        }
    };
    scope.spawn(Listen::run(scene, heard));
    const auto ended = co_await pump.run();
    scene.server->close();
    const net::Until until(Deadline::in(std::chrono::seconds(5)));
    co_await scope.drain(until);
    co_return ended;
}

TEST(StreamPump, sends_all_output_in_frames_and_ends_with_the_program) {
    Scene scene;
    scene.program.output = {{engine::OutputKind::Stdout, "out"},
                            {engine::OutputKind::Stderr, "err"}};
    scene.program.ended = true;
    std::string heard;
    StreamPump::Options options;
    options.framed = true;
    EXPECT_EQ(net::run_task(scene.loop, pump_until_close(scene, options, heard)),
              StreamPump::Ended::Program);
    EXPECT_EQ(heard, frame(StreamKind::Stdout, "out") + frame(StreamKind::Stderr, "err"));
}

net::Task<StreamPump::Ended> half_close(Scene& scene) {
    StreamPump::Options options;
    options.input = true;
    const net::Until until;
    auto written = co_await scene.client->write_all("question", until);
    EXPECT_TRUE(written);
    auto closed = co_await scene.client->shutdown_write(until);
    EXPECT_TRUE(closed);
    std::string heard;
    engine::Output answer{engine::OutputKind::Stdout, "answer"};
    scene.program.output.push_back(answer);
    const auto ended = co_await pump_until_close(scene, options, heard);
    EXPECT_EQ(heard, "answer");
    co_return ended;
}

TEST(StreamPump, closes_the_input_when_the_client_closes_its_half) {
    Scene scene;
    scene.program.ends_with_input = true;
    EXPECT_EQ(net::run_task(scene.loop, half_close(scene)), StreamPump::Ended::Program);
    EXPECT_EQ(scene.program.input, "question");
    EXPECT_TRUE(scene.program.input_closed);
}

net::Task<StreamPump::Ended> type(Scene& scene, std::string text, StreamPump::Options options) {
    const net::Until until;
    auto written = co_await scene.client->write_all(text, until);
    EXPECT_TRUE(written);
    std::string heard;
    co_return co_await pump_until_close(scene, options, heard);
}

TEST(StreamPump, detaches_by_the_keys_and_leaves_the_input_open) {
    Scene scene;
    StreamPump::Options options;
    options.input = true;
    options.detach_keys = "\x10\x11";
    EXPECT_EQ(net::run_task(scene.loop, type(scene, "ls\x10\x11", options)),
              StreamPump::Ended::Detached);
    EXPECT_EQ(scene.program.input, "ls");
    EXPECT_FALSE(scene.program.input_closed);
}

net::Task<StreamPump::Ended> vanish(Scene& scene) {
    scene.client->close();
    StreamPump pump(scene.loop, *scene.server, scene.program, {});
    co_return co_await pump.run();
}

TEST(StreamPump, ends_when_the_client_vanishes_while_the_program_is_silent) {
    Scene scene;
    EXPECT_EQ(net::run_task(scene.loop, vanish(scene)), StreamPump::Ended::ClientGone);
}

} // namespace
} // namespace shoal::api
