// Sealer: what stands between objects and the log's bytes. The real one encrypts (store/seal.h);
// tests and the simulator may leave values readable.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal::swarm {

class Sealer {
  public:
    virtual ~Sealer() = default;
    /// `name` is the key in the log under which the value will stand.
    virtual std::string seal(std::string_view name, std::string_view plain) = 0;
    /// Fails: Invalid when it was not sealed by this cluster under this name.
    virtual Result<std::string> open(std::string_view name, std::string_view sealed) const = 0;
};

} // namespace shoal::swarm
