// Makes the upper directory of an overlay fit to be a layer: what overlayfs noted there for itself
// goes, whiteouts and opaque marks stay. Nothing may be mounted on it any more.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <optional>
#include <string>

namespace shoal::image {

/// With `newest`, times of change after it become it, so that the same build gives the same layer.
Result<void> tidy_upper(const std::string& directory, std::optional<Instant> newest);

} // namespace shoal::image
