#include "client/frames.h"
#include "client/json_stream.h"

#include <gtest/gtest.h>

namespace shoal::client {
namespace {

std::string frame(char channel, std::string_view text) {
    std::string out = {channel, 0, 0, 0, 0, 0, 0, static_cast<char>(text.size())};
    return out.append(text);
}

TEST(FrameReader, takes_frames_apart_however_they_arrive) {
    const std::string bytes = frame(1, "hello ") + frame(2, "oops") + frame(1, "world");
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
        std::string out, err;
        FrameReader reader([&](Channel channel, std::string_view text) {
            (channel == Channel::Stderr ? err : out) += text;
            return ok();
        });
        for (std::size_t i = 0; i < bytes.size(); i += step) {
            ASSERT_TRUE(reader.feed(std::string_view(bytes).substr(i, step)));
        }
        EXPECT_EQ(out, "hello world");
        EXPECT_EQ(err, "oops");
        EXPECT_TRUE(reader.at_border());
    }
}

TEST(FrameReader, turns_the_error_channel_into_an_error) {
    FrameReader reader([](Channel, std::string_view) { return ok(); });
    auto result = reader.feed(frame(3, "disk gone"));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message, "error from daemon in stream: disk gone");
    FrameReader other([](Channel, std::string_view) { return ok(); });
    EXPECT_FALSE(other.feed(frame(9, "x")));
}

TEST(JsonStream, finds_the_borders_of_objects) {
    const std::string bytes = "{\"a\":\"}{\\\"\"}\r\n{\"b\":{\"c\":[1,{\"d\":2}]}}{}";
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
        std::vector<std::string> seen;
        JsonStream stream([&](const Json& object) {
            seen.push_back(object.dump());
            return ok();
        });
        for (std::size_t i = 0; i < bytes.size(); i += step) {
            ASSERT_TRUE(stream.feed(std::string_view(bytes).substr(i, step)));
        }
        EXPECT_EQ(seen, (std::vector<std::string>{"{\"a\":\"}{\\\"\"}",
                                                  "{\"b\":{\"c\":[1,{\"d\":2}]}}", "{}"}));
    }
}

TEST(JsonStream, refuses_what_is_no_object) {
    JsonStream stream([](const Json&) { return ok(); });
    EXPECT_FALSE(stream.feed("[1]"));
}

} // namespace
} // namespace shoal::client
