// Kernel parameters below /proc/sys, by their dotted names. Those of net.* belong to the network
// namespace of the calling thread. It caches nothing.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal::os {

/// "net.ipv4.conf.eth0/1.forwarding" as a path: dots separate, and "/" inside a name stands for a
/// dot, as sysctl(8). Fails: Invalid for empty parts and "..".
Result<std::string> sysctl_path(std::string_view name);
/// Fails: NotFound when the kernel has no such parameter here.
Result<std::string> read_sysctl(std::string_view name); ///< without the final line feed
Result<void> write_sysctl(std::string_view name, std::string_view value);
/// Writes only when the value differs.
Result<void> ensure_sysctl(std::string_view name, std::string_view value);

} // namespace shoal::os
