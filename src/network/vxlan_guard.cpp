#include "network/vxlan_guard.h"

#include "network/kept_table.h"

#include <fmt/format.h>

namespace shoal::network {

std::string vxlan_guard_table(const std::string& instance) {
    return "shoal_" + instance + "_vxlan";
}

std::string render_vxlan_guard(const VxlanGuard& guard) {
    return fmt::format(R"(  set senders4 {{ type ipv4_addr;{1} }}
  set senders6 {{ type ipv6_addr;{2} }}
  chain input {{ type filter hook input priority -10; policy accept;
    udp dport {0} ip saddr != @senders4 drop
    udp dport {0} ip6 saddr != @senders6 drop
  }}
)",
                       guard.port, set_elements(guard.senders, Family::V4),
                       set_elements(guard.senders, Family::V6));
}

} // namespace shoal::network
