// The monitor's work from the moment it stands alone to the end of the process it watches.
#pragma once

#include "container/shim_protocol.h"
#include "os/fd.h"

namespace shoal::shim {

/// Runs to the end. `control` is the first connection, which watches. Returns the monitor's own exit status.
int monitor(container::ShimConfig config, os::Fd control);

} // namespace shoal::shim
