// The patterns within ${NAME#p}, ${NAME%p} and ${NAME/p/r}: "?" is one character, "*" any number
// of them, a backslash takes their meaning away. There are no bracket expressions, as in BuildKit.
// Time is proportional to pattern times value. Internal to this folder.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal::dockerfile {

inline constexpr std::size_t substitute_pattern_max = 1024;      ///< characters
inline constexpr std::size_t substitute_value_max = 1024 * 1024; ///< bytes

enum class Longest { No, Yes };
enum class Replace { First, All };

/// All fail: Invalid for a backslash before anything else than * ? \ } / and for limits.
Result<std::string> without_prefix(std::string_view value, std::string_view pattern, Longest which);
Result<std::string> without_suffix(std::string_view value, std::string_view pattern, Longest which);
/// Takes the leftmost match, the longest there.
Result<std::string> with_replaced(std::string_view value, std::string_view pattern,
                                  std::string_view replacement, Replace how);

} // namespace shoal::dockerfile
