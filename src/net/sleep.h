// sleep: waits until the deadline or the cancel token, whichever is first. Returns Timeout or
// Cancelled, never Raised.
#pragma once

#include "net/loop.h"
#include "net/until.h"

namespace shoal::net {

Task<Wake> sleep(Loop& loop, Until until);
/// Lets everything else that is ready run first.
Task<void> yield(Loop& loop);

} // namespace shoal::net
