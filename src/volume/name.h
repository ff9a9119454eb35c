// Names of volumes: which are allowed, and which were made by us. Pure.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal::volume {

inline constexpr std::size_t name_bytes_max = 255; ///< it is a directory's name

/// Letters, digits, "_", "." and "-", beginning with a letter or digit, two at least. Fails:
/// Invalid in Docker's words.
Result<void> check_name(std::string_view name);
/// 64 hexadecimal digits.
std::string make_anonymous_name(Random& random);

} // namespace shoal::volume
