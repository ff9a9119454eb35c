// The monitor's work from the moment it stands alone to the end of the process it watches.
#pragma once

#include "container/shim_protocol.h"
#include "os/fd.h"

namespace shoal::shim {

/// Opens the socket, then forks: the first process returns 0 (or says that nothing came of it), the
/// second runs to the end. `control` is the first connection, which watches. Returns the process's
/// exit status.
int monitor(container::ShimConfig config, os::Fd control);

} // namespace shoal::shim
