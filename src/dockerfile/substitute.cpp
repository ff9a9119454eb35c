#include "dockerfile/substitute.h"

#include "dockerfile/runes.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace shoal::dockerfile {
namespace {

struct Element {
    bool any = false; ///< "?"
    char32_t rune = 0;
};
using Segment = std::vector<Element>;
/// What stands between the stars; a pattern without star is one segment.
using Segments = std::vector<Segment>;

Error bad_pattern(std::string_view pattern, const std::string& why) {
    return invalid("invalid pattern (" + std::string(pattern) + ") in substitution: " + why);
}

Result<Segments> parse_segments(std::string_view pattern) {
    const auto runes = to_runes(pattern);
    if (runes.size() > substitute_pattern_max) {
        return bad_pattern(pattern.substr(0, 20),
                           "longer than " + std::to_string(substitute_pattern_max) + " characters");
    }
    Segments segments(1);
    for (std::size_t i = 0; i < runes.size(); ++i) {
        if (runes[i] == U'*') {
            segments.emplace_back();
        } else if (runes[i] == U'?') {
            segments.back().push_back({true, 0});
        } else if (runes[i] == U'\\') {
            if (++i == runes.size()) { return bad_pattern(pattern, "escape at its end"); }
            if (std::u32string_view(U"*?\\}/").find(runes[i]) == std::u32string_view::npos) {
                return bad_pattern(pattern,
                                   "invalid escape '\\" + to_bytes(runes.substr(i, 1)) + "'");
            }
            segments.back().push_back({false, runes[i]});
        } else {
            segments.back().push_back({false, runes[i]});
        }
    }
    return segments;
}

bool stands_at(const Segment& segment, std::u32string_view value, std::size_t at) {
    if (value.size() - at < segment.size()) { return false; }
    for (std::size_t i = 0; i < segment.size(); ++i) {
        if (!segment[i].any && segment[i].rune != value[at + i]) { return false; }
    }
    return true;
}

std::optional<std::size_t> first_from(const Segment& segment, std::u32string_view value,
                                      std::size_t at) {
    for (; at + segment.size() <= value.size(); ++at) {
        if (stands_at(segment, value, at)) { return at; }
    }
    return std::nullopt;
}

/// The last place at which it stands and ends no later than `end`.
std::optional<std::size_t> last_until(const Segment& segment, std::u32string_view value,
                                      std::size_t end) {
    if (segment.size() > end) { return std::nullopt; }
    for (std::size_t at = end - segment.size() + 1; at-- > 0;) {
        if (stands_at(segment, value, at)) { return at; }
    }
    return std::nullopt;
}

/// Where the match that begins the value ends.
std::optional<std::size_t> end_of_match(const Segments& segments, std::u32string_view value,
                                        Longest which) {
    if (!stands_at(segments.front(), value, 0)) { return std::nullopt; }
    std::size_t end = segments.front().size();
    for (std::size_t i = 1; i < segments.size(); ++i) {
        const auto at = first_from(segments[i], value, end);
        if (!at) { return std::nullopt; }
        end = *at + segments[i].size();
    }
    if (which == Longest::No || segments.size() == 1) { return end; }
    // The shortest one shows that there is a match; then the last segment may stand at its last
    // place.
    return *last_until(segments.back(), value, value.size()) + segments.back().size();
}

struct Found {
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// Finds matches from left to right, each in time proportional to what it passes over.
class Finder {
  public:
    Finder(const Segments& segments, std::u32string_view value)
        : segments_(segments), value_(value) {
        // What follows the first segment must fit behind it: the latest places decide for all.
        limit_ = value.size();
        for (std::size_t i = segments.size(); i-- > 1;) {
            const auto at = last_until(segments[i], value, limit_);
            if (!at) {
                possible_ = false;
                return;
            }
            if (i == segments.size() - 1) { end_ = *at + segments[i].size(); }
            limit_ = *at;
        }
    }

    std::optional<Found> from(std::size_t at) const {
        if (!possible_) { return std::nullopt; }
        const auto begin = first_from(segments_.front(), value_, at);
        if (!begin || *begin + segments_.front().size() > limit_) { return std::nullopt; }
        const bool has_star = segments_.size() > 1;
        return Found{*begin, has_star ? end_ : *begin + segments_.front().size()};
    }

  private:
    const Segments& segments_;
    std::u32string_view value_;
    std::size_t limit_ = 0; ///< the first segment ends no later
    std::size_t end_ = 0;   ///< of the longest match, when there is a star
    bool possible_ = true;
};

Result<void> check_length(std::string_view value) {
    if (value.size() <= substitute_value_max) { return ok(); }
    return invalid("a value of " + std::to_string(value.size()) +
                   " bytes is too long for a pattern in a substitution");
}

Result<std::u32string> without_front(std::u32string runes, const Segments& segments,
                                     Longest which) {
    const auto end = end_of_match(segments, runes, which);
    return end ? runes.substr(*end) : std::move(runes);
}

} // namespace

Result<std::string> without_prefix(std::string_view value, std::string_view pattern,
                                   Longest which) {
    TRY(check_length(value));
    TRY_LET(segments, parse_segments(pattern));
    TRY_LET(rest, without_front(to_runes(value), segments, which));
    return to_bytes(rest);
}

Result<std::string> without_suffix(std::string_view value, std::string_view pattern,
                                   Longest which) {
    TRY(check_length(value));
    TRY_LET(segments, parse_segments(pattern));
    // Read backwards, a suffix is a prefix.
    std::reverse(segments.begin(), segments.end());
    for (auto& segment : segments) { std::reverse(segment.begin(), segment.end()); }
    auto runes = to_runes(value);
    std::reverse(runes.begin(), runes.end());
    TRY_LET(rest, without_front(std::move(runes), segments, which));
    std::reverse(rest.begin(), rest.end());
    return to_bytes(rest);
}

Result<std::string> with_replaced(std::string_view value, std::string_view pattern,
                                  std::string_view replacement, Replace how) {
    TRY(check_length(value));
    TRY_LET(segments, parse_segments(pattern));
    const auto runes = to_runes(value);
    const auto instead = to_runes(replacement);
    const Finder finder(segments, runes);
    std::u32string result;
    std::size_t at = 0;
    while (at <= runes.size()) {
        const auto found = finder.from(at);
        if (!found) { break; }
        result.append(runes, at, found->begin - at);
        result += instead;
        at = found->end;
        if (found->end == found->begin) { // of nothing: go on behind the next character
            if (at < runes.size()) { result += runes[at]; }
            ++at;
        }
        if (how == Replace::First) { break; }
        if (segments.size() > 1 && at >= runes.size()) { break; } // "*" took all there was
        if (result.size() > substitute_value_max) {
            return invalid("the result of a substitution is too long");
        }
    }
    if (at < runes.size()) { result.append(runes, at); }
    return to_bytes(result);
}

} // namespace shoal::dockerfile
