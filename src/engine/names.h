// A name for a container that was given none.
#pragma once

#include "base/clock.h"

#include <string>

namespace shoal::engine {

/// "keen_herring"; with a number behind it from the second attempt on, so that many containers find
/// free names.
std::string make_container_name(Random& random, int attempt);

} // namespace shoal::engine
