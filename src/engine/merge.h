// How a container's settings come together: what the request leaves open is taken from the image.
// Pure.
#pragma once

#include "container/config.h"
#include "oci/image_config.h"

namespace shoal::engine {

/// The settings the container keeps. Fails: Invalid "no command specified".
Result<container::Config> merge_image(container::Config request, const oci::RunConfig& image);

/// Program and arguments of entrypoint and command.
std::vector<std::string> command_line(const container::Config& config);

/// What an image made of a container keeps of its settings.
oci::RunConfig run_config(const container::Config& from);

} // namespace shoal::engine
