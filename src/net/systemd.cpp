#include "net/systemd.h"

#include "base/text.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace shoal::net {

Result<void> notify_systemd(std::string_view state) {
    const char* const variable = std::getenv("NOTIFY_SOCKET");
    if (variable == nullptr || *variable == 0) { return ok(); }
    const std::string path = variable;
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path) {
        return invalid("NOTIFY_SOCKET: the path is too long");
    }
    path.copy(name.sun_path, path.size());
    if (path.front() == '@') { name.sun_path[0] = 0; } // the abstract namespace
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    const os::Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) { return os_error("notify systemd", errno); }
    const auto sent = ::sendto(socket.raw(), state.data(), state.size(), MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&name), size);
    if (sent < 0) { return os_error("notify systemd at " + path, errno); }
    return ok();
}

namespace {
constexpr int first_inherited = 3; // SD_LISTEN_FDS_START of sd_listen_fds(3)

std::string take_variable(const char* name) {
    const char* const value = std::getenv(name);
    std::string taken = value == nullptr ? "" : value;
    ::unsetenv(name);
    return taken;
}
} // namespace

std::vector<InheritedSocket> take_inherited_sockets() {
    const auto pid = parse_number<pid_t>(take_variable("LISTEN_PID"));
    const auto count = parse_number<int>(take_variable("LISTEN_FDS"));
    const auto names = split(take_variable("LISTEN_FDNAMES"), ':');
    std::vector<InheritedSocket> sockets;
    if (pid != ::getpid() || !count) { return sockets; }
    for (int i = 0; i < *count; ++i) {
        const int raw = first_inherited + i;
        if (::fcntl(raw, F_SETFD, FD_CLOEXEC) != 0) { break; }
        const auto index = static_cast<std::size_t>(i);
        sockets.push_back({index < names.size() ? names[index] : "", os::Fd(raw)});
    }
    return sockets;
}

} // namespace shoal::net
