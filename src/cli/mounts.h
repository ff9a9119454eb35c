// -v, --mount and --tmpfs: what people write, as the API's Binds, Volumes, Mounts and Tmpfs. Pure,
// but for relative host paths, which are completed with a working directory that the caller names.
#pragma once

#include "base/json.h"

#include <string>
#include <string_view>

namespace shoal::cli {

/// "type=volume,source=a,target=/b,readonly". Fails with Docker's sentences.
Result<Json> parse_mount(std::string_view text, std::string_view working_directory);

struct VolumeSpec {
    std::string bind;      ///< "src:dst[:options]", or
    std::string anonymous; ///< a path in the container
};
Result<VolumeSpec> parse_volume(std::string_view text, std::string_view working_directory);

} // namespace shoal::cli
