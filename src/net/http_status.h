// What a status of HTTP says in the words of this code base; for those who ask others and pass their
// answers on.
#pragma once

#include "base/error.h"

namespace shoal::net {

/// Internal for what has no word of its own.
Errc code_of_status(int status);

} // namespace shoal::net
