// Engine: one node put together. It owns the four services in the order in which they need each
// other, and starts and stops them. It is not the daemon: sockets, signals and settings come from
// outside.
#pragma once

#include "engine/containers.h"
#include "engine/env.h"
#include "engine/images.h"
#include "engine/networks.h"
#include "engine/volumes.h"

namespace shoal::engine {

class Engine {
  public:
    explicit Engine(Env& env);
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// Makes the directories, reads the store, agrees with the kernel. After it the API may be
    /// served.
    net::Task<Result<void>> start();
    net::Task<void> stop(net::Until until);

    Env& env;
    Images images;
    Volumes volumes;
    Networks networks;
    Containers containers;
};

} // namespace shoal::engine
