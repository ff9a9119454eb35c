// `shoald registry gc`, `du` and `verify`: collection, usage and verification on a terminal, beside
// a running server or without one.
#pragma once

#include "registry/server/cache_upkeep.h"
#include "registry/server/gc.h"

namespace shoal::registry {

enum class Output { Text, Json };
/// The pull-through cache beside the storage; there need not be one.
struct CachePlace {
    std::string root;
    std::vector<Upstream> upstreams;
};
/// Print what they found and give the exit code; verify gives 1 when something is wrong.
int run_gc_command(Store& store, const GcOptions& options, const CachePlace& cache, Instant now,
                   Output output);
int run_du_command(Store& store, const CachePlace& cache, Output output);
int run_verify_command(Store& store, Output output);

} // namespace shoal::registry
