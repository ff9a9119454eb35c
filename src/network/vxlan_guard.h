// Who may send VXLAN packets to this node: the other nodes of the cluster. Whoever could forge them
// would be inside of every overlay and of the mesh. The text is pure; it is one table for all
// networks (network/kept_table.h).
#pragma once

#include "network/address.h"

#include <cstdint>
#include <set>
#include <string>

namespace shoal::network {

struct VxlanGuard {
    std::uint16_t port = 4789;
    std::set<Ip> senders;
    bool operator==(const VxlanGuard&) const = default;
};

std::string vxlan_guard_table(const std::string& instance); ///< "shoal_0_vxlan"
std::string render_vxlan_guard(const VxlanGuard& guard);    ///< what is in the table

} // namespace shoal::network
