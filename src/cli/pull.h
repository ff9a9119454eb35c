// Fetching an image from its registry, with the progress shown as it goes: for `pull`, and for
// `run` and `create` when the image is not here.
#pragma once

#include "cli/app.h"

namespace shoal::cli {

enum class Progress { Quiet, Stdout, Stderr };

/// A request whose answer is a stream of progress, printed as it comes. Fails: the stream's error.
Result<void> call_with_progress(App& app, client::Request request, Progress where);

/// `reference` has a tag or a digest; `platform` may be "".
Result<void> pull_image(App& app, const std::string& reference, const std::string& platform,
                        Progress progress);

} // namespace shoal::cli
