#include "api/framing.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

TEST(Framing, has_stream_and_big_endian_length) {
    EXPECT_EQ(frame(StreamKind::Stdout, "hi"), std::string("\x01\0\0\0\0\0\0\x02hi", 10));
    EXPECT_EQ(frame(StreamKind::Stderr, std::string(0x10203, 'x')).substr(0, 8),
              std::string("\x02\0\0\0\0\x01\x02\x03", 8));
    EXPECT_EQ(frame(StreamKind::SystemError, ""), std::string("\x03\0\0\0\0\0\0\0", 8));
}

TEST(Framing, content_type_depends_on_terminal_and_version) {
    EXPECT_EQ(stream_content_type(151, false), "application/vnd.docker.multiplexed-stream");
    EXPECT_EQ(stream_content_type(142, false), "application/vnd.docker.multiplexed-stream");
    EXPECT_EQ(stream_content_type(141, false), "application/vnd.docker.raw-stream");
    EXPECT_EQ(stream_content_type(151, true), "application/vnd.docker.raw-stream");
}

} // namespace
} // namespace shoal::api
