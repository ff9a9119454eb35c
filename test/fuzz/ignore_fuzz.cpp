// Arbitrary bytes as a .dockerignore (up to the first zero byte) and a path (behind it): it ends
// soon, and what the matcher says agrees with itself: a literal matches what it names, a directory
// takes along what lies beneath it, a negation at the end has the last word, and a directory that
// need not be looked into again holds nothing that is wanted.
#include "dockerfile/ignore.h"
#include "require.h"

#include <algorithm>
#include <cstdint>

using namespace shoal;
using namespace shoal::dockerfile;

namespace {

/// As a walk over a tree names its files: no empty parts, no "." and "..".
bool is_clean(std::string_view path) {
    if (path.empty()) { return false; }
    while (true) {
        const auto end = std::min(path.find('/'), path.size());
        const auto part = path.substr(0, end);
        if (part.empty() || part == "." || part == "..") { return false; }
        if (end == path.size()) { return true; }
        path.remove_prefix(end + 1);
    }
}

void check_glob(const std::string& pattern, std::string_view path) {
    const auto matched = match_path(pattern, path);
    if (!matched) { REQUIRE(matched.error().code == Errc::Invalid); }
    if (pattern.find_first_of("*?[\\") == std::string::npos) {
        REQUIRE(matched && *matched == (pattern == path));
    }
    const auto any = match_path("*", path);
    REQUIRE(any && *any == (path.find('/') == std::string_view::npos));
}

void check_list(const std::vector<std::string>& patterns, const std::string& path) {
    const auto list = PatternList::create(patterns);
    if (!list) {
        REQUIRE(list.error().code == Errc::Invalid && !list.error().message.empty());
        return;
    }
    const bool matched = list->matches(path);
    if (!is_clean(path)) { return; }
    const bool negates = std::any_of(patterns.begin(), patterns.end(),
                                     [](const std::string& one) { return one.starts_with('!'); });
    for (auto slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        const auto directory = path.substr(0, slash);
        if (!list->matches(directory)) { continue; }
        if (!negates || !list->may_reenter(directory)) { REQUIRE(matched); }
    }
    auto with_all = patterns;
    with_all.emplace_back("**");
    REQUIRE(PatternList::create(with_all)->matches(path));
    with_all.emplace_back("!**");
    REQUIRE(!PatternList::create(with_all)->matches(path));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto end = std::min(input.find('\0'), size);
    const std::string path(input.substr(std::min(end + 1, size)).substr(0, 512));
    const auto patterns = parse_ignore_file(input.substr(0, end));
    if (!patterns) {
        REQUIRE(patterns.error().code == Errc::Invalid);
        return 0;
    }
    for (const auto& pattern : *patterns) { check_glob(pattern, path); }
    check_list(*patterns, path);
    return 0;
}
