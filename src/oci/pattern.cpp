// The pattern language of the `reference` filter: Go's path.Match, where `*` and `?` stop at a
// slash.
#include "oci/reference.h"

#include <optional>

namespace shoal::oci {
namespace {

struct Step {
    bool matched = false;
    std::size_t length = 0; ///< of the pattern piece; 0 means malformed
};

/// One character of a class: `c` or `\c`; nothing when the class ends here.
std::optional<char> class_char(std::string_view pattern, std::size_t& at) {
    if (at >= pattern.size() || pattern[at] == '-' || pattern[at] == ']') { return std::nullopt; }
    if (pattern[at] == '\\' && ++at >= pattern.size()) { return std::nullopt; }
    return pattern[at++];
}

Step match_class(std::string_view pattern, char c) {
    std::size_t at = 1;
    const bool negated = at < pattern.size() && pattern[at] == '^';
    if (negated) { ++at; }
    bool inside = false;
    bool any = false;
    while (at < pattern.size() && !(pattern[at] == ']' && any)) {
        const auto low = class_char(pattern, at);
        if (!low) { return {}; }
        auto high = low;
        if (at < pattern.size() && pattern[at] == '-') {
            ++at;
            high = class_char(pattern, at);
            if (!high) { return {}; }
        }
        inside = inside || (*low <= c && c <= *high);
        any = true;
    }
    if (at >= pattern.size()) { return {}; }
    return {inside != negated, at + 1};
}

/// The piece at the start of `pattern` (which is no star) against one character; '\0' only measures
/// it.
Step match_one(std::string_view pattern, char c) {
    switch (pattern.front()) {
    case '?':
        return {c != '/', 1};
    case '[':
        return match_class(pattern, c);
    case '\\':
        if (pattern.size() < 2) { return {}; }
        return {pattern[1] == c, 2};
    default:
        return {pattern.front() == c, 1};
    }
}

bool is_well_formed(std::string_view pattern) {
    while (!pattern.empty()) {
        const std::size_t length = pattern.front() == '*' ? 1 : match_one(pattern, '\0').length;
        if (length == 0) { return false; }
        pattern.remove_prefix(length);
    }
    return true;
}

/// Going back to the last star is enough: an earlier one could only give the later ones less room.
bool matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0;
    std::size_t t = 0;
    std::optional<std::size_t> star;
    std::size_t star_text = 0;
    while (t < text.size() || p < pattern.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            star_text = t;
            continue;
        }
        if (p < pattern.size() && t < text.size()) {
            const Step step = match_one(pattern.substr(p), text[t]);
            if (step.matched) {
                p += step.length;
                ++t;
                continue;
            }
        }
        if (!star || star_text >= text.size() || text[star_text] == '/') { return false; }
        t = ++star_text;
        p = *star + 1;
    }
    return true;
}

} // namespace

Result<bool> matches_pattern(const Reference& reference, std::string_view pattern) {
    if (!is_well_formed(pattern)) { return invalid("syntax error in pattern"); }
    return matches(pattern, reference.familiar()) || matches(pattern, reference.familiar_name());
}

} // namespace shoal::oci
