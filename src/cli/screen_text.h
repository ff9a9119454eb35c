// Text of strangers on a terminal: control characters taken out, so that it cannot drive the
// terminal, and counted in the columns that a terminal gives to it, so that lines can be cut. Pure;
// knows nothing of locales.
#pragma once

#include <string>
#include <string_view>

namespace shoal::cli {

/// Without control characters, escape sequences and marks that turn the direction of writing; what
/// is no UTF-8 becomes U+FFFD, a tab a few blanks. Newlines stay.
std::string harmless_text(std::string_view text);
/// The same, but colours and other attributes of letters ("ESC [ 1;31 m") stay.
std::string harmless_colours(std::string_view text);

std::size_t columns_of(std::string_view text);
/// As much of harmless text as fits.
std::string_view cut_columns(std::string_view text, std::size_t columns);

} // namespace shoal::cli
