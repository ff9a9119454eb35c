#include "api/version.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::api {
namespace {

/// "1.41" as 141; minors beyond 99 stay the largest of their major.
int version_number(std::string_view text) {
    const auto [major_text, minor_text] = cut(text, '.');
    const int major = std::min(parse_number<int>(major_text).value_or(99), 99);
    const int minor =
        minor_text.empty()
            ? 0
            : std::min(parse_number<int>(cut(minor_text, '.').first).value_or(99), 99);
    return major * 100 + minor;
}

} // namespace

std::string version_text(int version) {
    return std::to_string(version / 100) + "." + std::to_string(version % 100);
}

Result<VersionedPath> split_version(std::string_view path, int minimum) {
    VersionedPath split;
    split.path = path;
    if (!path.starts_with("/v")) { return split; }
    const auto end = std::min(path.find('/', 1), path.size());
    const auto text = path.substr(2, end - 2);
    if (text.empty() || text.find_first_not_of("0123456789.") != std::string_view::npos) {
        return split;
    }
    split.version = version_number(text);
    split.versioned = true;
    split.path = path.substr(end);
    if (split.version < minimum) {
        return invalid("client version " + std::string(text) +
                       " is too old. Minimum supported API version is " + version_text(minimum) +
                       ", please upgrade your client to a newer version");
    }
    if (split.version > api_version_max) {
        return invalid("client version " + std::string(text) +
                       " is too new. Maximum supported API version is " +
                       version_text(api_version_max));
    }
    return split;
}

} // namespace shoal::api
