#include "crypto_random.h"

#include "world.h"

#include <openssl/rand.h>

// There is no other way to put one's own source under keys than the one that is to go some day.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace shoal::sim {
namespace {

SimRandom& source() {
    static SimRandom random(0);
    return random;
}

int give(unsigned char* out, int count) {
    source().fill(std::span(out, static_cast<std::size_t>(count)));
    return 1;
}
int ready() { return 1; }

} // namespace

void seed_crypto(std::uint64_t seed) {
    static const RAND_METHOD method{nullptr, give, nullptr, nullptr, give, ready};
    source() = SimRandom(seed);
    RAND_set_rand_method(&method);
}

} // namespace shoal::sim
