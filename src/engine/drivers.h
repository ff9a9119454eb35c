// The drivers that this engine has, as clients and cluster managers are told.
#pragma once

#include <array>
#include <string_view>

namespace shoal::engine {

inline constexpr std::array<std::string_view, 1> volume_drivers{"local"};
inline constexpr std::array<std::string_view, 5> network_drivers{"bridge", "host", "macvlan",
                                                                 "null", "overlay"};
inline constexpr std::array<std::string_view, 5> log_drivers{"journald", "json-file", "local",
                                                             "none", "syslog"};

} // namespace shoal::engine
