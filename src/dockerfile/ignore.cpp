#include "dockerfile/ignore.h"

#include "base/text.h"
#include "dockerfile/glob.h"

namespace shoal::dockerfile {
namespace {

/// Go's filepath.Clean: the shortest name of the same path.
std::string clean_path(std::string_view path) {
    const bool rooted = path.starts_with('/');
    std::vector<std::string> parts;
    for (auto& part : split(path, '/')) {
        if (part.empty() || part == ".") { continue; }
        if (part != "..") {
            parts.push_back(std::move(part));
        } else if (!parts.empty() && parts.back() != "..") {
            parts.pop_back();
        } else if (!rooted) {
            parts.push_back(std::move(part));
        }
    }
    const std::string joined = join(parts, "/");
    if (rooted) { return "/" + joined; }
    return joined.empty() ? "." : joined;
}

/// The pattern as it is compared with relative paths: clean, without "!" and leading "/".
std::string clean_pattern(std::string_view text) {
    text = trim(text);
    if (text.empty()) { return ""; }
    std::string clean = clean_path(text);
    if (clean.size() > 1 && clean.front() == '/') { clean.erase(0, 1); }
    return clean;
}

} // namespace

Result<std::vector<std::string>> parse_ignore_file(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) { text.remove_prefix(3); }
    std::vector<std::string> patterns;
    for (const auto& line : split(text, '\n')) {
        if (line.starts_with('#')) { continue; }
        auto pattern = trim(line);
        if (pattern.empty()) { continue; }
        if (patterns.size() == ignore_patterns_max) {
            return invalid("more than " + std::to_string(ignore_patterns_max) +
                           " patterns in .dockerignore");
        }
        const bool negated = pattern.front() == '!';
        if (negated) { pattern.remove_prefix(1); }
        patterns.push_back((negated ? "!" : "") + clean_pattern(pattern));
    }
    return patterns;
}

Result<bool> match_path(std::string_view pattern, std::string_view path) {
    TRY_LET(glob, Glob::parse(pattern, Glob::Dialect::Go));
    return glob.matches(path);
}

Result<PatternList> PatternList::create(const std::vector<std::string>& patterns) {
    PatternList list;
    for (const auto& text : patterns) {
        auto pattern = trim(text);
        if (pattern.empty()) { continue; }
        Pattern one;
        one.negated = pattern.front() == '!';
        if (one.negated) { pattern.remove_prefix(1); }
        const auto clean = clean_pattern(pattern);
        if (clean.empty()) { return invalid("illegal exclusion pattern: \"!\""); }
        TRY_LET(glob, Glob::parse(clean, Glob::Dialect::Ignore));
        one.glob = std::make_shared<const Glob>(std::move(glob));
        list.patterns_.push_back(std::move(one));
    }
    return list;
}

bool PatternList::matches(std::string_view path) const {
    if (path.empty() || path == ".") { return false; } // the root itself is never excluded
    bool matched = false;
    for (const auto& pattern : patterns_) {
        // Only a pattern that would change the answer is worth the work.
        if (pattern.negated == matched && pattern.glob->matches_or_parent(path)) {
            matched = !pattern.negated;
        }
    }
    return matched;
}

bool PatternList::may_reenter(std::string_view directory) const {
    for (const auto& pattern : patterns_) {
        if (pattern.negated && pattern.glob->may_match_beneath(directory)) { return true; }
    }
    return false;
}

} // namespace shoal::dockerfile
