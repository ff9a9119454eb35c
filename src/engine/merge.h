// How a container's settings come together: what the request leaves open is taken from the image. Pure.
#pragma once

#include "container/config.h"
#include "oci/image_config.h"

namespace shoal::engine {

/// The settings the container keeps. Fails: Invalid "no command specified".
Result<container::Config> merge_image(container::Config request, const oci::RunConfig& image);

/// Program and arguments of entrypoint and command.
std::vector<std::string> command_line(const container::Config& config);

} // namespace shoal::engine
