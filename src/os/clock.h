// The real clock and the kernel's random numbers, for the seams in base/clock.h.
#pragma once

#include "base/clock.h"

namespace shoal::os {

class SystemClock : public Clock {
  public:
    Instant now() const override;
    Steady steady() const override;
};

/// getrandom(2). Thread safe.
class SystemRandom : public Random {
  public:
    void fill(std::span<std::uint8_t> out) override;
};

} // namespace shoal::os
