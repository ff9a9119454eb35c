#include "network/overlay.h"

#include <fmt/format.h>

namespace shoal::network {

std::string overlay_mac(NodeIndex node) {
    return fmt::format("02:fe:00:00:{:02x}:{:02x}", node >> 8, node & 0xff);
}

Ip overlay_hop(NodeIndex node) { return Ip::v4(0xa9fe0000u | node); }

} // namespace shoal::network
