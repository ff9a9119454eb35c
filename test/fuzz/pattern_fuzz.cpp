// Arbitrary bytes as a regular expression (the first line) and a text (the rest): it ends soon, a
// literal is found where it is, and anchors and groups around a pattern that is taken change
// nothing but what they say.
#include "base/pattern.h"
#include "require.h"

#include <cstdint>
#include <string>

using namespace shoal;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto end = std::min(input.find('\n'), input.size());
    const std::string pattern(input.substr(0, end));
    const auto text = input.substr(std::min(end + 1, size)).substr(0, 512);
    const auto parsed = Pattern::parse(pattern);
    if (pattern.find_first_of("^$.*+?()[]{}|\\") == std::string::npos &&
        pattern.size() < pattern_steps_max) {
        REQUIRE(parsed && parsed->found_in(text) == (text.find(pattern) != std::string_view::npos));
    }
    if (!parsed) {
        REQUIRE(parsed.error().code == Errc::Invalid);
        return 0;
    }
    const bool found = parsed->found_in(text);
    if (const auto grouped = Pattern::parse("(?:" + pattern + ")")) {
        REQUIRE(grouped->found_in(text) == found);
    }
    if (const auto whole = Pattern::parse("^(" + pattern + ")$"); whole && whole->found_in(text)) {
        REQUIRE(found);
    }
    if (const auto either = Pattern::parse(pattern + "|")) { REQUIRE(either->found_in(text)); }
    return 0;
}
