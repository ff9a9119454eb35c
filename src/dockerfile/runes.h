// Text as code points, for the patterns in which "?" stands for one character. Bytes that are no
// UTF-8 become code points of their own and come back as the same bytes. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

namespace shoal::dockerfile {

std::u32string to_runes(std::string_view text);
std::string to_bytes(std::u32string_view runes);

} // namespace shoal::dockerfile
