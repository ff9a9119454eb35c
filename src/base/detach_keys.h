// Detach keys: the sequence by which a person at a terminal leaves an attached container without
// ending it. Pure: bytes in, bytes that belong to the program out.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal {

inline constexpr std::string_view detach_keys_default = "ctrl-p,ctrl-q";

/// "ctrl-p,ctrl-q", "a,b,ctrl-[": the bytes of the sequence; "" for none.
/// Fails: Invalid "Unknown character: 'x'".
Result<std::string> parse_detach_keys(std::string_view text);

class DetachFilter {
  public:
    explicit DetachFilter(std::string keys) : keys_(std::move(keys)) {}

    struct Passed {
        std::string bytes;     ///< for the program
        bool detached = false; ///< the sequence is complete; what came behind it is dropped
    };
    /// A beginning of the sequence is held back until it is decided.
    Passed feed(std::string_view bytes);

  private:
    std::string keys_;
    std::size_t matched_ = 0;
};

} // namespace shoal
