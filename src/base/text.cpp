#include "base/text.h"

#include <algorithm>
#include <cstdlib>

namespace shoal {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') { return digit - '0'; }
    if (digit >= 'a' && digit <= 'f') { return digit - 'a' + 10; }
    if (digit >= 'A' && digit <= 'F') { return digit - 'A' + 10; }
    return -1;
}

int base64_value(char digit) {
    if (digit == '-') { digit = '+'; }
    if (digit == '_') { digit = '/'; }
    const auto at = base64_digits.find(digit);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

} // namespace

std::vector<std::string> split(std::string_view text, char separator) {
    return split_n(text, separator, SIZE_MAX);
}

std::vector<std::string> split_n(std::string_view text, char separator, std::size_t parts_max) {
    std::vector<std::string> parts;
    while (parts.size() + 1 < parts_max) {
        const auto at = text.find(separator);
        if (at == std::string_view::npos) { break; }
        parts.emplace_back(text.substr(0, at));
        text.remove_prefix(at + 1);
    }
    parts.emplace_back(text);
    return parts;
}

std::pair<std::string, std::string> cut(std::string_view text, char separator) {
    const auto at = text.find(separator);
    if (at == std::string_view::npos) { return {std::string(text), {}}; }
    return {std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string all;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) { all += separator; }
        all += parts[i];
    }
    return all;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_space(text.front())) { text.remove_prefix(1); }
    while (!text.empty() && is_space(text.back())) { text.remove_suffix(1); }
    return text;
}

std::string to_lower(std::string_view text) {
    std::string changed(text);
    std::transform(changed.begin(), changed.end(), changed.begin(), lower);
    return changed;
}

std::string to_upper(std::string_view text) {
    std::string changed(text);
    std::transform(changed.begin(), changed.end(), changed.begin(), upper);
    return changed;
}

bool equals_ignore_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
    std::string changed;
    for (auto at = text.find(from); !from.empty() && at != std::string_view::npos;
         at = text.find(from)) {
        changed.append(text.substr(0, at)).append(to);
        text.remove_prefix(at + from.size());
    }
    return changed.append(text);
}

bool is_hex(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return hex_digits.find(c) != std::string_view::npos;
    });
}

std::optional<double> parse_double(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) { return std::nullopt; }
    return value;
}

std::optional<bool> parse_bool(std::string_view text) {
    for (const std::string_view word : {"1", "t", "T", "TRUE", "true", "True"}) {
        if (text == word) { return true; }
    }
    for (const std::string_view word : {"0", "f", "F", "FALSE", "false", "False"}) {
        if (text == word) { return false; }
    }
    return std::nullopt;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const std::uint8_t byte : bytes) {
        text += hex_digits[byte >> 4];
        text += hex_digits[byte & 15];
    }
    return text;
}

std::string base64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group =
                group << 8 | (i + j < bytes.size() ? static_cast<std::uint8_t>(bytes[i + j]) : 0);
        }
        for (int shift = 18; shift >= 0; shift -= 6) { text += base64_digits[group >> shift & 63]; }
    }
    const std::size_t padding = (3 - bytes.size() % 3) % 3;
    text.replace(text.size() - padding, padding, padding, '=');
    return text;
}

std::string base64url(std::string_view bytes) {
    std::string text = base64(bytes);
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    return text;
}

Result<std::string> decode_base64(std::string_view text) {
    while (!text.empty() && text.back() == '=') { text.remove_suffix(1); }
    std::string bytes;
    std::uint32_t group = 0;
    int bits = 0;
    for (const char digit : text) {
        if (digit == '\n' || digit == '\r') { continue; }
        const int value = base64_value(digit);
        if (value < 0) { return invalid("illegal base64 data"); }
        group = (group << 6 | static_cast<std::uint32_t>(value)) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes += static_cast<char>(group >> bits & 255);
        }
    }
    if (bits == 6) { return invalid("illegal base64 data: truncated"); }
    return bytes;
}

Result<std::string> decode_percent(std::string_view text, bool plus_is_space) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            bytes += ' ';
        } else if (text[i] == '%') {
            const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return invalid("invalid URL escape " + go_quote(text.substr(i, 3)));
            }
            bytes += static_cast<char>(high << 4 | low);
            i += 2;
        } else {
            bytes += text[i];
        }
    }
    return bytes;
}

std::string encode_percent(std::string_view text) {
    constexpr std::string_view unreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string escaped;
    for (const char c : text) {
        if (unreserved.find(c) != std::string_view::npos) {
            escaped += c;
        } else {
            escaped += '%';
            escaped += to_upper(to_hex(std::span(reinterpret_cast<const std::uint8_t*>(&c), 1)));
        }
    }
    return escaped;
}

std::string shell_quote(std::string_view text) {
    return "'" + replace_all(text, "'", "'\\''") + "'";
}

std::string go_quote(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        switch (c) {
        case '"':
            quoted += "\\\"";
            break;
        case '\\':
            quoted += "\\\\";
            break;
        case '\n':
            quoted += "\\n";
            break;
        case '\r':
            quoted += "\\r";
            break;
        case '\t':
            quoted += "\\t";
            break;
        default:
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                quoted += "\\x" + to_hex(std::span(reinterpret_cast<const std::uint8_t*>(&c), 1));
            } else {
                quoted += c;
            }
        }
    }
    return quoted + "\"";
}

} // namespace shoal
