// Patterns of .dockerignore and COPY --exclude, and of COPY's sources: which paths they match.
// Paths are relative, with "/" and without "./". Pure; the patterns of a stranger cannot make it
// slow: matching takes time proportional to pattern times path.
#pragma once

#include "base/result.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::dockerfile {

class Glob; // glob.h

/// Lines of a .dockerignore: comments (#) and blanks dropped, leading and trailing "/" cleaned, "!"
/// kept. A byte order mark is accepted. Fails: Invalid for more than ignore_patterns_max lines.
inline constexpr std::size_t ignore_patterns_max = 10'000;
Result<std::vector<std::string>> parse_ignore_file(std::string_view text);

/// Go's filepath.Match for one path: * ? [a-z] [^a] and escapes; "*" stops at "/". Fails: Invalid
/// for a bad pattern.
Result<bool> match_path(std::string_view pattern, std::string_view path);

/// A list of patterns with negation; the last one that matches a path or one of its parents
/// decides, as in Docker ("**" crosses "/").
class PatternList {
  public:
    /// Fails: Invalid for a bad pattern, naming it.
    static Result<PatternList> create(const std::vector<std::string>& patterns);
    bool matches(std::string_view path) const;
    /// May a negated pattern match something beneath the directory, so that it must be walked
    /// though it is excluded itself?
    bool may_reenter(std::string_view directory) const;
    bool empty() const { return patterns_.empty(); }

  private:
    struct Pattern {
        std::shared_ptr<const Glob> glob;
        bool negated = false;
    };
    std::vector<Pattern> patterns_;
};

} // namespace shoal::dockerfile
