#include "cli/table.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

TEST(Table, columns_are_as_wide_as_their_widest_cell) {
    EXPECT_EQ(align("ID\tNAME\tX\nlonger-than-ten\tb\tc\n"),
              "ID                NAME      X\nlonger-than-ten   b         c\n");
}

TEST(Table, narrow_columns_have_ten_cells_and_the_last_cell_no_padding) {
    EXPECT_EQ(align("A\tB\n1\t2\n"), "A         B\n1         2\n");
}

TEST(Table, a_column_ends_with_the_block_of_lines_that_have_it) {
    EXPECT_EQ(align("a-very-long-cell\tx\nno cells here\nshort\ty\n"),
              "a-very-long-cell   x\nno cells here\nshort     y\n");
}

TEST(Table, an_empty_last_cell_keeps_the_padding_before_it) {
    EXPECT_EQ(align("PORTS\tNAMES\n\tx\n"), "PORTS     NAMES\n          x\n");
}

TEST(Table, width_and_padding_are_chosen) {
    EXPECT_EQ(align("UID\tPID\n0\t1\n", {20, 3}),
              "UID                 PID\n0                   1\n");
}

TEST(Table, text_is_counted_in_characters) {
    EXPECT_EQ(text_width("äöü"), 3u);
    EXPECT_EQ(align("äöü\tx\nabc\ty\n"), "äöü       x\nabc       y\n");
}

TEST(Table, an_ellipsis_takes_the_last_cell) {
    EXPECT_EQ(ellipsis("short", 10), "short");
    EXPECT_EQ(ellipsis("exactly-10", 10), "exactly-10");
    EXPECT_EQ(ellipsis("more than ten", 10), "more than…");
    EXPECT_EQ(ellipsis("äöüß", 3), "äö…");
    EXPECT_EQ(ellipsis("abc", 0), "");
}

} // namespace
} // namespace shoal::cli
