// What all builds share: the cache, the places, digests of files, and who is at which step. Private
// to build/.
#pragma once

#include "build/builder.h"
#include "build/cache.h"
#include "build/places.h"
#include "build/tree.h"
#include "net/listener.h"
#include "net/lock.h"
#include "net/pool.h"
#include "net/scope.h"
#include "net/signal.h"

#include <map>
#include <memory>
#include <set>

namespace shoal::build {

struct Builder::Impl {
    explicit Impl(engine::Engine& engine);

    engine::Engine& engine;
    Cache cache;
    Places places;
    HashCache hashes;
    /// A cheap key to the key that it stood for the last time.
    std::map<std::string, std::string> shortcuts;
    static constexpr std::size_t shortcuts_max = 100'000;
    /// Steps that run now, by key: a second build that comes to the same step waits for the first.
    std::map<std::string, std::shared_ptr<net::Flag>> running;
    /// Cache mounts with sharing=locked.
    std::map<std::string, std::shared_ptr<net::Lock>> mount_locks;
    int builds = 0;
    net::TaskScope background;

    std::vector<CacheRecord> list() const;
    net::Task<Result<Pruned>> prune(PruneRequest request);
    net::Task<Result<std::int64_t>> drop(const CacheRecord& record);
    net::Task<void> remove_left_steps();
    /// Keeps the cache below what the settings allow; after a build.
    net::Task<void> collect();
};

} // namespace shoal::build
