#include "cli/screen_text.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace shoal::cli {
namespace {

constexpr char32_t replacement = 0xFFFD;
constexpr char escape = '\x1b';
constexpr std::string_view tab = "    ";

/// The next code point; `text` loses its bytes. Malformed bytes are taken one at a time.
struct Rune {
    char32_t value = replacement;
    std::string_view bytes;
    bool valid = false;
};
Rune take_rune(std::string_view& text) {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xC2 ? 0
                               : first < 0xE0 ? 2
                               : first < 0xF0 ? 3
                               : first < 0xF5 ? 4
                                              : 0;
    Rune rune{replacement, text.substr(0, 1)};
    if (length == 0 || length > text.size()) {
        text.remove_prefix(1);
        return rune;
    }
    char32_t value = length == 1 ? first : first & (0x7F >> length);
    for (std::size_t i = 1; i < length; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xC0) != 0x80) {
            text.remove_prefix(1);
            return rune;
        }
        value = (value << 6) | (next & 0x3F);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = value >= 0xD800 && value < 0xE000;
    if (value < least[length] || value > 0x10FFFF || surrogate) {
        text.remove_prefix(1);
        return rune;
    }
    rune = {value, text.substr(0, length), true};
    text.remove_prefix(length);
    return rune;
}

struct Range {
    char32_t first, last;
};
template <std::size_t n> bool is_in(const Range (&ranges)[n], char32_t value) {
    const auto at = std::lower_bound(std::begin(ranges), std::end(ranges), value,
                                     [](const Range& range, char32_t v) { return range.last < v; });
    return at != std::end(ranges) && at->first <= value;
}

constexpr Range zero_width[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F},
    {0x06D6, 0x06DC}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
    {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}};
constexpr Range two_columns[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x2614, 0x2615},
    {0x2648, 0x2653},   {0x26A1, 0x26A1},   {0x2705, 0x2705},   {0x270A, 0x270B},
    {0x2728, 0x2728},   {0x274C, 0x274C},   {0x2753, 0x2755},   {0x2795, 0x2797},
    {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2E80, 0x303E},   {0x3041, 0x33FF},
    {0x3400, 0x4DBF},   {0x4E00, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},
    {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
    {0x16FE0, 0x18AFF}, {0x1B000, 0x1B2FF}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF},
    {0x1F7E0, 0x1F7EB}, {0x1F900, 0x1F9FF}, {0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD}};
/// Marks that turn the direction of writing, and the line ends of Unicode.
constexpr Range turning[] = {
    {0x061C, 0x061C}, {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}};

std::size_t width_of(char32_t value) {
    if (is_in(zero_width, value)) { return 0; }
    return is_in(two_columns, value) ? 2 : 1;
}

bool is_control(char32_t value) {
    return value < 0x20 || (value >= 0x7F && value < 0xA0) || is_in(turning, value);
}

/// Takes an escape sequence away, as terminals would read it. Gives it when it sets attributes.
std::string_view take_sequence(std::string_view& text) {
    const std::string_view from = text;
    text.remove_prefix(1);
    if (text.empty()) { return {}; }
    const char kind = text[0];
    if (kind == ']' || kind == 'P' || kind == '_' || kind == '^') { // up to BEL or ST
        const auto end = text.find_first_of("\a\n\x1b");
        text.remove_prefix(end == std::string_view::npos ? text.size() : end);
        if (text.starts_with('\a')) { text.remove_prefix(1); }
        if (text.starts_with("\x1b\\")) { text.remove_prefix(2); }
        return {};
    }
    if (kind != '[') {
        const auto end = text.find_first_not_of(" !\"#$%&'()*+,-./"); // these have one more behind
        text.remove_prefix(end == std::string_view::npos ? text.size() : end);
        if (!text.empty() && text[0] >= '0' && text[0] < '\x7f') { text.remove_prefix(1); }
        return {};
    }
    std::size_t at = 1;
    while (at < text.size() && text[at] >= 0x20 && text[at] < 0x40) { ++at; }
    const bool attributes =
        at < text.size() && text[at] == 'm' &&
        text.substr(1, at - 1).find_first_not_of("0123456789;") == std::string_view::npos;
    if (at < text.size() && text[at] >= 0x40 && text[at] < 0x7f) { ++at; }
    text.remove_prefix(at);
    return attributes ? from.substr(0, at + 1) : std::string_view();
}

enum class Colours { Drop, Keep };
std::string harmless(std::string_view text, Colours colours) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        if (text[0] == escape) {
            const auto attributes = take_sequence(text);
            if (colours == Colours::Keep) { out += attributes; }
            continue;
        }
        const Rune rune = take_rune(text);
        if (!rune.valid) {
            out += "\xEF\xBF\xBD";
        } else if (rune.value == '\t') {
            out += tab;
        } else if (rune.value == '\n' || !is_control(rune.value)) {
            out += rune.bytes;
        }
    }
    return out;
}

} // namespace

std::string harmless_text(std::string_view text) { return harmless(text, Colours::Drop); }
std::string harmless_colours(std::string_view text) { return harmless(text, Colours::Keep); }

std::size_t columns_of(std::string_view text) {
    std::size_t columns = 0;
    while (!text.empty()) { columns += width_of(take_rune(text).value); }
    return columns;
}

std::string_view cut_columns(std::string_view text, std::size_t columns) {
    std::string_view rest = text;
    while (!rest.empty()) {
        std::string_view next = rest;
        const std::size_t width = width_of(take_rune(next).value);
        if (width > columns) { break; }
        columns -= width;
        rest = next;
    }
    return text.substr(0, text.size() - rest.size());
}

} // namespace shoal::cli
