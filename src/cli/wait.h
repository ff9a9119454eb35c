// Waiting for a container's end: asked for before the container is started, so that its exit code
// is not missed, and read afterwards.
#pragma once

#include "client/client.h"

namespace shoal::cli {

enum class WaitFor { Stopped, NextExit, Removed };

class ExitWait {
  public:
    ExitWait(client::Client& client, std::string id, WaitFor condition)
        : client_(client), id_(std::move(id)), condition_(condition) {}

    /// The daemon waits from here on. Daemons before API 1.30 know no conditions: there it begins
    /// with code().
    net::Task<Result<void>> begin();
    /// The exit code. Requires that begin() has succeeded.
    net::Task<Result<int>> code();

  private:
    client::Client& client_;
    std::string id_;
    WaitFor condition_;
    std::unique_ptr<client::Answer> answer_;
};

} // namespace shoal::cli
