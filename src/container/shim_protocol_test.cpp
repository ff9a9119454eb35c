#include "container/shim_protocol.h"

#include <gtest/gtest.h>

namespace shoal::container {
namespace {

TEST(Frames, are_dockers_stream_frames) {
    EXPECT_EQ(encode_frame(Frame::Stdout, "hi"), std::string("\1\0\0\0\0\0\0\2hi", 10));
}

TEST(Frames, come_out_whole_however_they_arrive) {
    const std::string bytes = encode_frame(Frame::Failed, "why") + encode_frame(Frame::Done);
    FrameDecoder decoder;
    std::vector<Frame> seen;
    for (const char byte : bytes) {
        decoder.feed(std::string_view(&byte, 1));
        auto item = decoder.next();
        ASSERT_TRUE(item);
        if (*item) { seen.push_back((*item)->type); }
    }
    EXPECT_EQ(seen, (std::vector<Frame>{Frame::Failed, Frame::Done}));
}

TEST(Frames, with_a_huge_or_strange_head_are_refused) {
    FrameDecoder decoder;
    decoder.feed(std::string("\x10\0\0\0\x7f\xff\xff\xff", 8));
    EXPECT_FALSE(decoder.next());
    EXPECT_FALSE(decode_frame_header(std::string("\x10\1\0\0\0\0\0\0", 8)));
    EXPECT_FALSE(decode_frame_header("short"));
}

TEST(Frames, carry_attach_resize_and_signal) {
    const auto attach =
        decode_attach(encode_attach({.in = true, .out = false, .err = true, .raw = true}));
    ASSERT_TRUE(attach);
    EXPECT_TRUE(attach->in && !attach->out && attach->err && attach->raw);
    const auto size = decode_resize(encode_resize({40, 132}));
    ASSERT_TRUE(size);
    EXPECT_EQ(size->height, 40);
    EXPECT_EQ(size->width, 132);
    EXPECT_EQ(*decode_signal(encode_signal(15)), 15);
    EXPECT_FALSE(decode_attach(""));
    EXPECT_FALSE(decode_resize("x"));
    EXPECT_FALSE(decode_signal(""));
}

TEST(ShimState, survives_the_wire) {
    ShimState state;
    state.phase = ShimPhase::Running;
    state.pid = 4711;
    state.start_time = 123456789;
    state.started_at = Instant(std::chrono::seconds(1'700'000'000));
    state.dropped_lines = 3;
    const auto back = decode_state(encode_state(state));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->phase, state.phase);
    EXPECT_EQ(back->pid, state.pid);
    EXPECT_EQ(back->start_time, state.start_time);
    EXPECT_EQ(back->started_at, state.started_at);
    EXPECT_EQ(back->dropped_lines, state.dropped_lines);
}

TEST(ShimExit, survives_wire_and_file) {
    ShimExit exit;
    exit.code = 137;
    exit.signal = 9;
    exit.oom = true;
    exit.at = Instant(std::chrono::nanoseconds(1'700'000'000'123'456'789));
    exit.error = "two\nlines with \"quotes\" and = signs";
    exit.dropped_lines = 8;
    EXPECT_EQ(*decode_exit(encode_exit(exit)), exit);
    EXPECT_EQ(*parse_exit_json(exit_json(exit)), exit);
    EXPECT_FALSE(parse_exit_json("{"));
}

TEST(ShimConfig, keeps_every_setting) {
    ShimConfig config;
    config.mode = ShimConfig::Mode::Exec;
    config.runtime = "/usr/bin/crun";
    config.runtime_args = {"--systemd-cgroup", "with = and\nline end"};
    config.runtime_root = "/run/r";
    config.container_id = "abc";
    config.bundle = "/b";
    config.directory = "/d";
    config.process_file = "/d/process.json";
    config.tty = true;
    config.console = {24, 80};
    config.detach = true;
    config.init = true;
    config.log_driver = "syslog";
    config.log_options = {{"tag", "a=b\nc"}, {"syslog-address", "udp://127.0.0.1:1"}};
    config.log_attributes = {{"k", "v"}};
    config.log_tag = "t";
    const std::string text = encode_shim_config(config);
    const auto back = parse_shim_config(text);
    ASSERT_TRUE(back);
    EXPECT_EQ(encode_shim_config(*back), text);
    EXPECT_EQ(back->runtime_args, config.runtime_args);
    EXPECT_EQ(back->log_options, config.log_options);
    EXPECT_EQ(back->console.width, 80);
    EXPECT_TRUE(back->tty && back->detach && back->init && !back->open_stdin);
}

} // namespace
} // namespace shoal::container
