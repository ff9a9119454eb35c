#include "net/connect.h"

#include "net/fd_stream.h"
#include "net/loop_impl.h"
#include "net/signal.h"
#include "net/sleep.h"

#include <boost/asio/ip/tcp.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace shoal::net {

Result<UnixAddress> UnixAddress::of(const std::string& path) {
    UnixAddress address;
    address.name.sun_family = AF_UNIX;
    if (path.size() < sizeof address.name.sun_path) {
        path.copy(address.name.sun_path, path.size());
        return address;
    }
    // Too long for the kernel's structure: name it by way of its folder's descriptor.
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) { return invalid("the socket path " + path + " is too long"); }
    address.folder =
        os::Fd(::open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!address.folder) { return os_error("open " + path.substr(0, slash), errno); }
    const auto shorter =
        "/proc/self/fd/" + std::to_string(address.folder.raw()) + path.substr(slash);
    if (shorter.size() >= sizeof address.name.sun_path) {
        return invalid("the socket path " + path + " is too long");
    }
    shorter.copy(address.name.sun_path, shorter.size());
    return address;
}

namespace {

using boost::asio::ip::tcp;

Result<os::Fd> make_socket(int family) {
    os::Fd made(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made) { return os_error("make a socket", errno); }
    return made;
}

Error connect_error(const std::string& what, int error) {
    Error made = os_error("connect to " + what, error);
    if (error == ECONNREFUSED) { made.code = Errc::Unavailable; }
    return made;
}

Task<Result<StreamPtr>> connect_socket(Loop& loop, sockaddr_storage to, socklen_t size,
                                       std::string what, Until until) {
    CO_TRY_LET(socket, make_socket(to.ss_family));
    auto state = std::make_shared<FdState>(loop, std::move(socket), os::Fd(), what);
    const int raw = state->raw(Side::Write);
    if (::connect(raw, reinterpret_cast<const sockaddr*>(&to), size) != 0) {
        if (errno != EINPROGRESS) { co_return connect_error(what, errno); }
        CO_TRY((co_await FdState::wait(state, Side::Write, until, "connect")).with(what));
        int error = 0;
        socklen_t error_size = sizeof error;
        ::getsockopt(raw, SOL_SOCKET, SO_ERROR, &error, &error_size);
        if (error != 0) { co_return connect_error(what, error); }
    }
    const int on = 1;
    ::setsockopt(raw, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(raw, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    co_return std::make_unique<FdStream>(std::move(state));
}

/// What the resolver's handler and the waiting task share; the task may be gone when the answer
/// comes.
struct Resolving {
    explicit Resolving(Loop& loop) : resolver(loop.impl().io), ended(loop) {}
    tcp::resolver resolver;
    tcp::resolver::results_type results;
    boost::system::error_code error;
    Flag ended;
};

Task<Result<tcp::resolver::results_type>> resolve(Loop& loop, std::string host, std::uint16_t port,
                                                  Until until) {
    // Names are resolved one after the other: an address must not wait for a name that hangs.
    boost::system::error_code no_address;
    const auto numeric = boost::asio::ip::make_address(host, no_address);
    if (!no_address) {
        const tcp::endpoint endpoint(numeric, port);
        co_return tcp::resolver::results_type::create(endpoint, host, std::to_string(port));
    }
    auto work = std::make_shared<Resolving>(loop);
    const auto flags = tcp::resolver::numeric_service;
    auto on_end = [work](boost::system::error_code error, tcp::resolver::results_type results) {
        work->error = error;
        work->results = std::move(results);
        work->ended.set();
    };
    work->resolver.async_resolve(host, std::to_string(port), flags, std::move(on_end));
    const Wake wake = co_await work->ended.wait(until);
    CO_TRY(to_result(wake, "resolve " + host));
    if (work->error) {
        co_return Error{Errc::NotFound, "resolve " + host + ": " + work->error.message()};
    }
    co_return std::move(work->results);
}

} // namespace

Task<Result<StreamPtr>> connect_unix(Loop& loop, std::string path, Until until) {
    for (;;) {
        CO_TRY_LET(address, UnixAddress::of(path));
        CO_TRY_LET(socket, make_socket(AF_UNIX));
        if (::connect(socket.raw(), address.get(), address.size()) == 0) {
            co_return make_socket_stream(loop, std::move(socket));
        }
        if (errno != EAGAIN) { co_return connect_error(path, errno); }
        // The backlog is full, and the kernel has no way to wait for room without blocking.
        const auto soon = until.no_later_than(Deadline::in(std::chrono::milliseconds(5)));
        const Wake wake = co_await sleep(loop, soon);
        const bool over = wake == Wake::Cancelled || soon.deadline == until.deadline;
        if (over) { co_return to_result(wake, "connect to " + path).error(); }
    }
}

Task<Result<StreamPtr>> connect_tcp(Loop& loop, std::string host, std::uint16_t port, Until until) {
    CO_TRY_LET(results, co_await resolve(loop, host, port, until));
    Error last{Errc::NotFound, "resolve " + host + ": no address"};
    for (const auto& entry : results) {
        const tcp::endpoint endpoint = entry.endpoint();
        sockaddr_storage to{};
        std::memcpy(&to, endpoint.data(), endpoint.size());
        auto what = host + ":" + std::to_string(port);
        auto stream = co_await connect_socket(loop, to, static_cast<socklen_t>(endpoint.size()),
                                              std::move(what), until);
        if (stream) { co_return std::move(stream); }
        last = std::move(stream).error();
        if (last.code == Errc::Cancelled || last.code == Errc::Timeout) { break; }
    }
    co_return last;
}

Task<Result<StreamPtr>> connect(Loop& loop, Address address, Until until) {
    if (address.kind == Address::Kind::Unix) {
        return connect_unix(loop, std::move(address.host), until);
    }
    return connect_tcp(loop, std::move(address.host), address.port, until);
}

} // namespace shoal::net
