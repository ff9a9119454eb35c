#include "network/socket_address.h"

#include <cstring>

#include <netinet/in.h>

namespace shoal::network {

SocketAddress socket_address(const Ip& ip, Family family, std::uint16_t port) {
    SocketAddress out;
    const auto raw = ip.bytes();
    if (family == Family::V4) {
        auto& address = reinterpret_cast<sockaddr_in&>(out.storage);
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        std::memcpy(&address.sin_addr, raw.data(), raw.size());
        out.size = sizeof address;
    } else {
        auto& address = reinterpret_cast<sockaddr_in6&>(out.storage);
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(port);
        std::memcpy(&address.sin6_addr, raw.data(), raw.size());
        out.size = sizeof address;
    }
    return out;
}

} // namespace shoal::network
