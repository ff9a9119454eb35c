#include "base/detach_keys.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

std::string passed(std::string_view keys, std::initializer_list<std::string_view> pieces) {
    DetachFilter filter(*parse_detach_keys(keys));
    std::string all;
    for (const auto piece : pieces) {
        const auto result = filter.feed(piece);
        all += result.bytes;
        if (result.detached) { return all + "!"; }
    }
    return all;
}

TEST(DetachKeys, are_read_as_docker_writes_them) {
    EXPECT_EQ(*parse_detach_keys("ctrl-p,ctrl-q"), "\x10\x11");
    EXPECT_EQ(*parse_detach_keys("a,ctrl-a,ctrl-[,ctrl-_"), "a\x01\x1b\x1f");
    EXPECT_EQ(*parse_detach_keys("ctrl-@"), std::string(1, '\0'));
    EXPECT_EQ(*parse_detach_keys(""), "");
    for (const char* wrong : {"ctrl-", "ctrl-A", "ctrl-pp", "ab", "a,,b", "ctrl-1"}) {
        EXPECT_EQ(parse_detach_keys(wrong).error().code, Errc::Invalid) << wrong;
    }
}

TEST(DetachKeys, are_refused_by_the_character_that_is_wrong) {
    EXPECT_EQ(parse_detach_keys("ctrl-1").error().message, "Unknown character: '1'");
    EXPECT_EQ(parse_detach_keys("meta-x").error().message, "Unknown character: 'meta-x'");
    EXPECT_EQ(parse_detach_keys("a,,b").error().message, "Unknown character: ''");
}

TEST(DetachFilter, lets_everything_through_but_the_sequence) {
    EXPECT_EQ(passed("ctrl-p,ctrl-q", {"hello"}), "hello");
    EXPECT_EQ(passed("ctrl-p,ctrl-q", {"ab\x10\x11gone"}), "ab!");
    EXPECT_EQ(passed("ctrl-p,ctrl-q", {"ab\x10", "\x11"}), "ab!");
}

TEST(DetachFilter, gives_back_a_beginning_that_was_none) {
    EXPECT_EQ(passed("ctrl-p,ctrl-q", {"a\x10", "b"}), "a\x10"
                                                       "b");
    EXPECT_EQ(passed("ctrl-p,ctrl-q", {"\x10\x10\x11"}), "\x10!");
    EXPECT_EQ(passed("a,a,b", {"aaab"}), "a!");
    EXPECT_EQ(passed("a,b,a,c", {"ababac"}), "ab!");
    EXPECT_EQ(passed("a,b,a,c", {"abab"}), "ab");
}

TEST(DetachFilter, knows_no_sequence_when_there_is_none) {
    EXPECT_EQ(passed("", {"\x10\x11"}), "\x10\x11");
}

} // namespace
} // namespace shoal
