#include "cli/detach_keys.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

std::string keys_of(std::string_view text) {
    auto keys = parse_detach_keys(text);
    return keys ? *keys : "error: " + keys.error().message;
}

TEST(DetachKeys, letters_and_control_keys_become_bytes) {
    EXPECT_EQ(keys_of("ctrl-p,ctrl-q"), "\x10\x11");
    EXPECT_EQ(keys_of("a,b"), "ab");
    EXPECT_EQ(keys_of("ctrl-@"), std::string(1, '\0'));
    EXPECT_EQ(keys_of("ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_"), "\x1b\x1c\x1d\x1e\x1f");
    EXPECT_EQ(keys_of(""), "");
}

TEST(DetachKeys, other_words_are_refused_by_name) {
    EXPECT_EQ(keys_of("ctrl-1"), "error: Unknown character: '1'");
    EXPECT_EQ(keys_of("meta-x"), "error: Unknown character: 'meta-x'");
    EXPECT_EQ(keys_of("a,,b"), "error: Unknown character: ''");
}

TEST(DetachKeys, the_sequence_detaches_and_is_not_forwarded) {
    DetachKeys keys("\x10\x11");
    auto step = keys.feed("ls\x10\x11rest");
    EXPECT_EQ(step.forward, "ls");
    EXPECT_TRUE(step.detached);
}

TEST(DetachKeys, a_sequence_may_come_in_pieces) {
    DetachKeys keys("\x10\x11");
    EXPECT_EQ(keys.feed("\x10").forward, "");
    EXPECT_TRUE(keys.feed("\x11").detached);
}

TEST(DetachKeys, a_broken_off_sequence_is_forwarded_after_all) {
    DetachKeys keys("\x10\x11");
    EXPECT_EQ(keys.feed("\x10").forward, "");
    EXPECT_EQ(keys.feed("x").forward, "\x10x");
    EXPECT_EQ(keys.feed("\x10\x10").forward, "\x10");
    EXPECT_TRUE(keys.feed("\x11").detached);
}

TEST(DetachKeys, no_keys_mean_no_detaching) {
    DetachKeys keys("");
    auto step = keys.feed("\x10\x11");
    EXPECT_EQ(step.forward, "\x10\x11");
    EXPECT_FALSE(step.detached);
}

} // namespace
} // namespace shoal::cli
