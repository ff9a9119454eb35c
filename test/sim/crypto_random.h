// Keys of certificates come from the crypto library's own source of randomness; in a simulation
// that is a seeded one too, so that a seed gives the same keys, and the same ids made from them.
#pragma once

#include <cstdint>

namespace shoal::sim {

/// For this whole process, from now on.
void seed_crypto(std::uint64_t seed);

} // namespace shoal::sim
