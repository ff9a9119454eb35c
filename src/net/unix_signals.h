// Unix signals (SIGTERM, SIGHUP, SIGCHLD) as something a coroutine waits for. One object per
// program.
#pragma once

#include "net/loop.h"
#include "net/until.h"

#include <memory>
#include <vector>

namespace shoal::net {

class UnixSignals {
  public:
    /// From now on these signals are kept for next() instead of their default action.
    UnixSignals(Loop& loop, std::vector<int> signals);
    ~UnixSignals();
    /// The next signal's number.
    Task<Result<int>> next(Until until);
    struct Impl;

  private:
    std::shared_ptr<Impl> impl_;
};

} // namespace shoal::net
