// Names of unix sockets of any length, for connecting and listening. Only .cpp files of net/
// include this.
#pragma once

#include "os/fd.h"

#include <string>
#include <sys/socket.h>
#include <sys/un.h>

namespace shoal::net {

struct UnixAddress {
    sockaddr_un name{};
    os::Fd folder; ///< must stay open while the name is used

    static Result<UnixAddress> of(const std::string& path);
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
    static constexpr socklen_t size() { return sizeof(sockaddr_un); }
};

} // namespace shoal::net
