// A descriptor's readiness, by Asio's reactor. Waiting is by direction, several coroutines may wait
// for the same one. An Asio wait that nobody wants any more is left in place: it has no buffers,
// and the next to wait joins it. Only .cpp files of net/ include this.
#pragma once

#include "net/stream.h"
#include "net/wait_queue.h"

namespace shoal::net {

enum class Side { Read, Write };

/// Waits for Raised (ready, or in error: the next system call tells), Timeout, or Cancelled (also:
/// closed).
class Readiness {
  public:
    /// `raw` stays the caller's; close() must come before the descriptor is closed.
    static Result<std::shared_ptr<Readiness>> create(Loop& loop, int raw);
    virtual ~Readiness() = default;
    virtual Task<Wake> wait(Side side, Until until) = 0;
    virtual void close() = 0;
};

} // namespace shoal::net
