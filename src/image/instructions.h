// Dockerfile instructions that change an image's settings, as `commit --change` and `import
// --change` take them: CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD SHELL STOPSIGNAL USER
// VOLUME WORKDIR. Pure. Instructions that need files or a running container (RUN, COPY) are refused
// by name.
#pragma once

#include "oci/image_config.h"

#include <string_view>
#include <vector>

namespace shoal::image {

/// Fails: Invalid, naming the instruction.
Result<void> apply_instruction(oci::RunConfig& config, std::string_view line);
Result<void> apply_instructions(oci::RunConfig& config, const std::vector<std::string>& lines);

/// Splits into words as Dockerfiles do: quotes, backslashes, $NAME ${NAME} ${NAME:-x} ${NAME:+x}
/// from `env` ("K=V"). Fails: Invalid for an open quote or brace.
Result<std::vector<std::string>> split_words(std::string_view text,
                                             const std::vector<std::string>& env);

} // namespace shoal::image
