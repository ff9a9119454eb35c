// Variables in a Dockerfile: $NAME, ${NAME}, ${NAME:-x} ${NAME-x} ${NAME:+x} ${NAME+x} ${NAME:?x}
// ${NAME?x}, ${NAME#p} ${NAME##p} ${NAME%p} ${NAME%%p} ${NAME/p/r} ${NAME//p/r}, quotes and
// escapes, as BuildKit's shell lexer reads them. It is no shell: no commands, no arithmetic. Pure.
#pragma once

#include "base/result.h"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::dockerfile {

struct Expansion {
    char escape = '\\';
    /// The value of a variable, or nothing when it is not set.
    std::function<std::optional<std::string>(std::string_view name)> lookup;
    bool keep_quotes = false;  ///< quotes stay in the result (RUN's flags do not need this)
    bool keep_escapes = false; ///< escapes stay in the result
    bool keep_unset = false;   ///< a variable that is not set stays as it is written
    bool plain_quotes = false; ///< quotes mean nothing (the text of here-documents)
    /// Told every name that is not set and has no default (for the check "UndefinedVar").
    std::function<void(std::string_view name)> undefined;
};

/// Limits of a stranger's text.
inline constexpr int expansion_depth_max = 50;                     ///< of ${A:-${B:-...}}
inline constexpr std::size_t expanded_bytes_max = 8 * 1024 * 1024; ///< of one text

/// One word: quotes are taken away, variables put in. Fails: Invalid for an open quote or brace, a
/// modifier that is not known, for ${NAME:?message} without value, and for a limit.
Result<std::string> expand(std::string_view word, const Expansion& how);
/// Words split at blanks outside of quotes; a variable's value is split too, as BuildKit does for
/// EXPOSE and the like.
Result<std::vector<std::string>> expand_words(std::string_view text, const Expansion& how);
/// The names that `text` reads.
std::set<std::string> variables_of(std::string_view text, char escape = '\\');

} // namespace shoal::dockerfile
