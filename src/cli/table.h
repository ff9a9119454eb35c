// Columns of text: cells end with a tab, a column is as wide as its widest cell in adjacent lines,
// the last cell of a line is not padded. The same rule as Go's tabwriter, because scripts cut
// Docker's tables apart.
#pragma once

#include <string>
#include <string_view>

namespace shoal::cli {

struct Columns {
    std::size_t width_min = 10;
    std::size_t padding = 3;
};
std::string align(std::string_view text, Columns columns = {});

/// Display cells of UTF-8 text, one per code point.
std::size_t text_width(std::string_view text);
/// At most `width` cells, the last one "…" when something was cut off.
std::string ellipsis(std::string_view text, std::size_t width);

} // namespace shoal::cli
