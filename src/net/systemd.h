// What a service says to systemd and gets from it, spoken directly: sd_notify(3) datagrams and
// listening sockets handed over (sd_listen_fds(3)). Without systemd all of it does nothing.
#pragma once

#include "base/result.h"
#include "os/fd.h"

#include <string>
#include <string_view>
#include <vector>

namespace shoal::net {

/// Sends e.g. "READY=1" to $NOTIFY_SOCKET; success when the variable is not set.
Result<void> notify_systemd(std::string_view state);

struct InheritedSocket {
    std::string name; ///< of $LISTEN_FDNAMES, or ""
    os::Fd fd;
};
/// The sockets of $LISTEN_FDS when $LISTEN_PID is this process; now close-on-exec. Takes them: a
/// second call, and children, get none.
std::vector<InheritedSocket> take_inherited_sockets();

} // namespace shoal::net
