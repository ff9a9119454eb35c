// An address and a port in the kernel's form. For calls to the kernel only; everything else uses
// Ip. Only .cpp files of network/ include this.
#pragma once

#include "network/address.h"

#include <sys/socket.h>

namespace shoal::network {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// `family` decides the form also for an address that is none (any address).
SocketAddress socket_address(const Ip& ip, Family family, std::uint16_t port);

} // namespace shoal::network
