#include "cli/screen_text.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

TEST(ScreenText, takes_out_what_drives_a_terminal) {
    EXPECT_EQ(harmless_text("a\x1b[2J\x1b[31mb\x1b]0;title\a c\bd\x7f"), "ab cd");
    EXPECT_EQ(harmless_text("\x1b[?1049h\x1b(B\x1bM\x1b"), "");
    EXPECT_EQ(harmless_text("x\x1b]0;never ended"), "x");
    EXPECT_EQ(harmless_text("x\x1bP1$q\x1b\\y"), "xy");
    EXPECT_EQ(harmless_text("a\tb\nc"), "a    b\nc");
    EXPECT_EQ(harmless_text("a\xC2\x9B"
                            "2Jb"),
              "a2Jb");
    EXPECT_EQ(harmless_text("a\xE2\x80\xAEreversed"), "areversed");
}

TEST(ScreenText, replaces_what_is_no_utf8) {
    EXPECT_EQ(harmless_text("a\xFF\xC3(\xE2\x82"),
              "a\xEF\xBF\xBD\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD");
    EXPECT_EQ(harmless_text("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    EXPECT_EQ(harmless_text("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
}

TEST(ScreenText, may_leave_colours) {
    EXPECT_EQ(harmless_colours("\x1b[1;31mred\x1b[0m\x1b[2K\x1b[5;5Hx"), "\x1b[1;31mred\x1b[0mx");
    EXPECT_EQ(harmless_colours("\x1b[?1m\x1b[1"), "");
}

TEST(ScreenText, cuts_by_columns) {
    EXPECT_EQ(cut_columns("abcdef", 4), "abcd");
    EXPECT_EQ(cut_columns("abc", 4), "abc");
    EXPECT_EQ(columns_of("\xE6\xBC\xA2\xE5\xAD\x97"), 4u);
    EXPECT_EQ(cut_columns("\xE6\xBC\xA2\xE5\xAD\x97", 3), "\xE6\xBC\xA2");
    EXPECT_EQ(columns_of("e\xCC\x81"), 1u);
    EXPECT_EQ(cut_columns("e\xCC\x81x", 1), "e\xCC\x81");
    EXPECT_EQ(columns_of("\xF0\x9F\x90\x9F"), 2u);
}

} // namespace
} // namespace shoal::cli
