// Platforms as FROM --platform names them ("linux/arm64/v8", "arm64", "linux") and the arguments
// that describe them (TARGETPLATFORM and its kin). Pure names: whether an image has the platform is
// for others to see. Internal to this folder.
#pragma once

#include "dockerfile/plan.h"

namespace shoal::dockerfile {

struct Platform {
    std::string os;
    std::string architecture;
    std::string variant;
    std::string text() const; ///< "linux/arm/v7"
};

/// What is not said is taken from `build`. Other names of an architecture become the usual one.
/// Fails: Invalid for something that is no platform.
Result<Platform> parse_platform(std::string_view text, std::string_view build);

/// BUILDPLATFORM BUILDOS BUILDARCH BUILDVARIANT and the same with TARGET, and TARGETSTAGE.
Result<std::map<std::string, std::string>> platform_args(const PlatformArgs& platforms,
                                                         const std::string& target);

} // namespace shoal::dockerfile
