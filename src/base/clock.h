// Seams for time and randomness: whatever is not a function of its inputs comes in through one of
// these. os/ implements them for production, tests and the simulator implement them with numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

namespace shoal {

using std::chrono::nanoseconds;
/// Wall-clock time, nanoseconds since the Unix epoch. A default-constructed Instant means "never".
using Instant = std::chrono::time_point<std::chrono::system_clock, nanoseconds>;
/// Time for waiting: never jumps, has no date.
using Steady = std::chrono::steady_clock::time_point;

class Clock {
  public:
    virtual ~Clock() = default;
    virtual Instant now() const = 0;
    virtual Steady steady() const = 0;
};

class Random {
  public:
    virtual ~Random() = default;
    /// Fills `out` with bytes fit for keys and ids.
    virtual void fill(std::span<std::uint8_t> out) = 0;
    /// `bytes` random bytes as lower-case hexadecimal: hex(32) is a container id.
    std::string hex(std::size_t bytes);
    /// A number in [0, limit); limit > 0.
    std::uint64_t below(std::uint64_t limit);
};

/// The moment by which a wait must end. Nested calls pass the same Deadline on, so they share one
/// budget.
class Deadline {
  public:
    Deadline() = default; ///< never
    explicit Deadline(Steady at) : at_(at) {}
    static Deadline never() { return {}; }
    static Deadline in(std::chrono::nanoseconds span) {
        return Deadline(std::chrono::steady_clock::now() + span);
    }
    bool is_never() const { return at_ == Steady::max(); }
    Steady at() const { return at_; }
    bool operator==(const Deadline&) const = default;

  private:
    Steady at_ = Steady::max();
};

} // namespace shoal
