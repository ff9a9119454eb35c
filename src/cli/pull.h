// Fetching an image from its registry, with the progress shown as it goes: for `pull`, and for
// `run` and `create` when the image is not here.
#pragma once

#include "cli/app.h"

namespace shoal::cli {

enum class Progress { Quiet, Stdout, Stderr };

/// `reference` has a tag or a digest; `platform` may be "".
Result<void> pull_image(App& app, const std::string& reference, const std::string& platform,
                        Progress progress);

} // namespace shoal::cli
