// One wildcard pattern, compiled to steps that are followed all at once: time is pattern times
// path, whatever the two are. Two dialects: Go's filepath.Match, and .dockerignore's with "**".
// Internal to this folder.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace shoal::dockerfile {

class Glob {
  public:
    enum class Dialect { Go, Ignore };
    /// Fails: Invalid `syntax error in pattern "[a"`.
    static Result<Glob> parse(std::string_view pattern, Dialect dialect);

    bool matches(std::string_view path) const;
    /// The path or one of the directories it lies in.
    bool matches_or_parent(std::string_view path) const;
    /// Could something beneath the directory match?
    bool may_match_beneath(std::string_view directory) const;

    struct Range {
        char32_t first = 0;
        char32_t last = 0;
    };
    struct Step {
        enum class Kind {
            Rune,
            AnyRune,      ///< "?": not "/"
            Class,        ///< "[a-z]"
            Part,         ///< "*": any number of runes but "/"
            All,          ///< "**" at the end: any number of runes
            Directories,  ///< "**/": goes on at once, or after a "/"
            InDirectories ///< always behind Directories
        } kind = Kind::Rune;
        char32_t rune = 0;
        bool negated = false;
        std::vector<Range> ranges;
    };

  private:
    friend class GlobParser;
    friend class GlobRun;
    std::vector<Step> steps_;
    std::string literal_; ///< the path itself, when there is nothing to choose
    bool is_literal_ = false;
};

} // namespace shoal::dockerfile
