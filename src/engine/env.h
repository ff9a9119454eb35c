// Env: what every service of the engine shares. It owns nothing; the daemon's main puts it
// together, and tests put their own seams in.
#pragma once

#include "base/clock.h"

namespace shoal::net {
class Loop;
class Pool;
} // namespace shoal::net

namespace shoal::engine {

struct Settings;
class Store;
class Events;

struct Env {
    net::Loop& loop;
    net::Pool& pool;         ///< blocking work on our own disk, kernel and runtime
    net::Pool& storage_pool; ///< work on users' storage, which may hang
    const Settings& settings;
    Clock& clock;
    Random& random;
    Store& store;
    Events& events;
};

} // namespace shoal::engine
