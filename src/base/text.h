// Small text tools shared by everything: splitting, numbers, hexadecimal, base64, percent escapes,
// sizes. Pure and ASCII; nothing here knows about locales.
#pragma once

#include "base/result.h"

#include <charconv>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shoal {

std::vector<std::string> split(std::string_view text, char separator);
/// At most `parts_max` parts; the last one keeps its separators.
std::vector<std::string> split_n(std::string_view text, char separator, std::size_t parts_max);
/// ("a", "b=c") of "a=b=c"; the second part is empty when there is no separator.
std::pair<std::string, std::string> cut(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);
bool equals_ignore_case(std::string_view a, std::string_view b);
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);
bool is_hex(std::string_view text); ///< false for ""

/// The whole text as a decimal number, or nothing; no sign for unsigned types, no blanks.
template <std::integral T> std::optional<T> parse_number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) { return std::nullopt; }
    return value;
}
std::optional<double> parse_double(std::string_view text);
/// Go's strconv.ParseBool: 1 t T TRUE true True 0 f F FALSE false False.
std::optional<bool> parse_bool(std::string_view text);

std::string to_hex(std::span<const std::uint8_t> bytes);
std::string base64(std::string_view bytes);
std::string base64url(std::string_view bytes); ///< with padding
/// Accepts the standard and the URL alphabet, with or without padding.
Result<std::string> decode_base64(std::string_view text);
/// RFC 3986 percent escapes; `+` stays itself unless `plus_is_space`.
Result<std::string> decode_percent(std::string_view text, bool plus_is_space);
std::string encode_percent(std::string_view text); ///< all but unreserved characters
/// A POSIX shell word: 'it'\''s'.
std::string shell_quote(std::string_view text);
/// Go's %q: a double-quoted, escaped string.
std::string go_quote(std::string_view text);

/// "512m", "1.5GiB", "100" as bytes; the units are powers of 1024 (docker/go-units RAMInBytes).
Result<std::int64_t> parse_bytes(std::string_view text);
/// "1.23MB", four significant digits, powers of 1000 (go-units HumanSize).
std::string human_size(double bytes);
/// "1.2MiB", powers of 1024 (go-units BytesSize).
std::string human_size_binary(double bytes);

} // namespace shoal
