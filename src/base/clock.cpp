#include "base/clock.h"

#include "base/assert.h"
#include "base/text.h"

#include <vector>

namespace shoal {

std::string Random::hex(std::size_t bytes) {
    std::vector<std::uint8_t> raw(bytes);
    fill(raw);
    return to_hex(raw);
}

std::uint64_t Random::below(std::uint64_t limit) {
    ASSERT(limit > 0);
    // Values above the largest multiple of `limit` are drawn again, so that all results are equally
    // likely.
    const std::uint64_t unfair = UINT64_MAX - UINT64_MAX % limit;
    std::uint64_t drawn = 0;
    do {
        std::uint8_t raw[sizeof drawn];
        fill(raw);
        drawn = 0;
        for (const std::uint8_t byte : raw) { drawn = drawn << 8 | byte; }
    } while (drawn >= unfair);
    return drawn % limit;
}

} // namespace shoal
