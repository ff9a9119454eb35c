// The checksum of the Internet's protocols (RFC 1071), for packets that we make ourselves.
#pragma once

#include <cstdint>
#include <string_view>

namespace shoal::network {

/// In the order of the host; the packet has it in network order.
inline std::uint16_t internet_checksum(std::string_view bytes) {
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        const auto byte = static_cast<std::uint8_t>(bytes[at]);
        sum += at % 2 == 0 ? std::uint32_t(byte) << 8 : byte;
    }
    while (sum >> 16 != 0) { sum = (sum & 0xffff) + (sum >> 16); }
    return static_cast<std::uint16_t>(~sum);
}

} // namespace shoal::network
