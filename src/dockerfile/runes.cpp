#include "dockerfile/runes.h"

namespace shoal::dockerfile {
namespace {

/// Where a byte that is no part of a character is kept: half of a surrogate pair, which UTF-8
/// lacks.
constexpr char32_t stray = 0xDC00;

std::size_t length_by_first_byte(unsigned char byte) {
    if (byte < 0x80) { return 1; }
    if (byte >= 0xC2 && byte < 0xE0) { return 2; }
    if (byte >= 0xE0 && byte < 0xF0) { return 3; }
    if (byte >= 0xF0 && byte < 0xF5) { return 4; }
    return 0;
}

/// The character at the front, or 0 when there is none that its bytes would give back.
char32_t decode(std::string_view text, std::size_t length) {
    if (length == 0 || length > text.size()) { return 0; }
    char32_t rune = static_cast<unsigned char>(text[0]);
    if (length > 1) { rune &= 0xFFU >> (length + 1); }
    for (std::size_t i = 1; i < length; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte & 0xC0) != 0x80) { return 0; }
        rune = (rune << 6) | (byte & 0x3FU);
    }
    const bool overlong = (length == 3 && rune < 0x800) || (length == 4 && rune < 0x10000);
    const bool surrogate = rune >= 0xD800 && rune < 0xE000;
    return overlong || surrogate || rune > 0x10FFFF ? 0 : rune;
}

void append(std::string& bytes, char32_t rune) {
    const auto tail = [&](int shift) {
        bytes += static_cast<char>(0x80 | ((rune >> shift) & 0x3F));
    };
    if (rune < 0x80) {
        bytes += static_cast<char>(rune);
    } else if (rune >= stray && rune < stray + 0x100) {
        bytes += static_cast<char>(rune - stray);
    } else if (rune < 0x800) {
        bytes += static_cast<char>(0xC0 | (rune >> 6));
        tail(0);
    } else if (rune < 0x10000) {
        bytes += static_cast<char>(0xE0 | (rune >> 12));
        tail(6);
        tail(0);
    } else {
        bytes += static_cast<char>(0xF0 | (rune >> 18));
        tail(12);
        tail(6);
        tail(0);
    }
}

} // namespace

std::u32string to_runes(std::string_view text) {
    std::u32string runes;
    runes.reserve(text.size());
    while (!text.empty()) {
        const auto first = static_cast<unsigned char>(text.front());
        const auto length = length_by_first_byte(first);
        const char32_t rune = decode(text, length);
        const bool whole = rune != 0 || first == 0;
        runes.push_back(whole ? rune : stray + first);
        text.remove_prefix(whole ? length : 1);
    }
    return runes;
}

std::string to_bytes(std::u32string_view runes) {
    std::string bytes;
    bytes.reserve(runes.size());
    for (const char32_t rune : runes) { append(bytes, rune); }
    return bytes;
}

} // namespace shoal::dockerfile
