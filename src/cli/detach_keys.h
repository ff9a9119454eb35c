// The key sequence that leaves a container without ending it: "ctrl-p,ctrl-q". Pure.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal::cli {

inline constexpr std::string_view default_detach_keys = "ctrl-p,ctrl-q";

/// The bytes of a sequence. Fails: Invalid, "Unknown character: 'x'".
Result<std::string> parse_detach_keys(std::string_view text);

/// Watches what is typed. Keys that could begin the sequence are kept back until it is clear.
class DetachKeys {
  public:
    explicit DetachKeys(std::string keys) : keys_(std::move(keys)) {}
    struct Step {
        std::string forward;
        bool detached = false;
    };
    Step feed(std::string_view bytes);

  private:
    std::string keys_;
    std::size_t matched_ = 0;
};

} // namespace shoal::cli
