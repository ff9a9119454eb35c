#include "os/clock.h"

#include "base/assert.h"

#include <cerrno>
#include <sys/random.h>

namespace shoal::os {

Instant SystemClock::now() const {
    return std::chrono::time_point_cast<nanoseconds>(std::chrono::system_clock::now());
}

Steady SystemClock::steady() const { return std::chrono::steady_clock::now(); }

void SystemRandom::fill(std::span<std::uint8_t> out) {
    while (!out.empty()) {
        const auto got = ::getrandom(out.data(), out.size(), 0);
        ASSERT(got > 0 || errno == EINTR);
        if (got > 0) { out = out.subspan(static_cast<std::size_t>(got)); }
    }
}

} // namespace shoal::os
