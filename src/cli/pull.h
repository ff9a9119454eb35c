// Images from and to their registries, with the progress shown as it goes: for `pull` and `push`,
// for `run` and `create` when the image is not here, and after `build --push`.
#pragma once

#include "cli/app.h"

namespace shoal::cli {

enum class Progress { Quiet, Stdout, Stderr };

/// `reference` has a tag; without one it is every tag that is here.
Result<void> push_image(App& app, const std::string& reference, Progress progress);

/// A request whose answer is a stream of progress, printed as it comes. Fails: the stream's error.
Result<void> call_with_progress(App& app, client::Request request, Progress where);

/// `reference` has a tag or a digest; `platform` may be "".
Result<void> pull_image(App& app, const std::string& reference, const std::string& platform,
                        Progress progress);

} // namespace shoal::cli
