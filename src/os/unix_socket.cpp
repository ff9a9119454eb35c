#include "os/unix_socket.h"

#include "os/file.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

namespace shoal::os {
namespace {

Result<Fd> connect_to(const Question& question) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (question.path.size() > unix_path_max) {
        return invalid("the path of a socket is too long: " + question.path);
    }
    std::memcpy(address.sun_path, question.path.data(), question.path.size());
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) { return os_error("create a socket", errno); }
    const timeval patience{question.patience.count() / 1000,
                           (question.patience.count() % 1000) * 1000};
    (void)::setsockopt(fd.raw(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)::setsockopt(fd.raw(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(fd.raw(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return os_error("connect to " + question.path, errno);
    }
    return fd;
}

} // namespace

Result<std::string> ask_unix_socket(const Question& question) {
    TRY_LET(fd, connect_to(question));
    std::string_view rest = question.text;
    while (!rest.empty()) {
        const auto sent = ::send(fd.raw(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) { continue; }
        if (sent < 0) { return os_error("send to " + question.path, errno); }
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    return read_all(fd, 1 << 20);
}

} // namespace shoal::os
