// API versions in paths: "/v1.41/containers/json" is version 141 of "/containers/json". Pure.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal::api {

/// API version 1.51 as 151. Unversioned requests count as the newest.
inline constexpr int api_version_max = 151;
inline constexpr int api_version_min = 124;
std::string version_text(int version); ///< "1.51"

struct VersionedPath {
    int version = api_version_max;
    bool versioned = false;
    std::string_view path; ///< without the version; a view of the argument
};
/// `minimum` is the oldest version to answer. Fails: Invalid with Docker's sentences for too old
/// and too new.
Result<VersionedPath> split_version(std::string_view path, int minimum = api_version_min);

} // namespace shoal::api
