// Names of archive entries made safe as text: cleaned as Go's path.Clean does, relative, without
// "..". Whether a component is a symbolic link is not decided here but by the kernel at the time of
// use. Pure; private to this folder.
#pragma once

#include "archive/limits.h"
#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal::archive {

/// "./a//b/../c/" is "a/c"; "/" and "." are "". Fails: Invalid when the name leads above its start,
/// Exhausted when it is too deep or too long.
Result<std::string> clean_name(std::string_view name, const Limits& limits);

struct SplitName {
    std::string_view parent; ///< "" for the root
    std::string_view base;
};
/// Of a cleaned name that is not "".
SplitName split_name(std::string_view cleaned);

/// Go's path.Clean for an absolute path: "/a/../../b/" is "/b".
std::string clean_absolute(std::string_view path);

inline constexpr std::string_view whiteout_prefix = ".wh.";
inline constexpr std::string_view whiteout_meta_prefix = ".wh..wh.";
inline constexpr std::string_view whiteout_opaque = ".wh..wh..opq";
inline constexpr const char* overlay_opaque_xattr = "trusted.overlay.opaque";

} // namespace shoal::archive
