// The address by which this machine reaches another: what the kernel's routes say, without sending
// anything.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>

namespace shoal::net {

/// `host` is a numeric address or a name. The local address without brackets.
Result<std::string> local_address_towards(const std::string& host, std::uint16_t port);

} // namespace shoal::net
