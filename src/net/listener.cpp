#include "net/listener.h"

#include "net/connect.h"
#include "net/fd_stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::net {

struct Listener::Impl {
    Loop& loop;
    os::Fd fd;
    std::shared_ptr<Readiness> readiness;
    std::string unlink_path; ///< "" when the file is not ours
    std::string text;
    bool tcp = false;
    bool loopback = true;
    std::uint16_t port = 0;
    bool closed = false;

    ~Impl() { close(); }
    void close() {
        if (closed) { return; }
        closed = true;
        if (readiness) { readiness->close(); }
        fd.reset();
        if (!unlink_path.empty()) { ::unlink(unlink_path.c_str()); }
    }
};

namespace {

constexpr int backlog = 1024;

std::string unix_path_of(const sockaddr_storage& address, socklen_t size) {
    const auto& name = reinterpret_cast<const sockaddr_un&>(address);
    const auto length = size - offsetof(sockaddr_un, sun_path);
    return size <= offsetof(sockaddr_un, sun_path)
               ? ""
               : std::string(name.sun_path, ::strnlen(name.sun_path, length));
}

/// Reads the socket's own address into the description.
Result<void> describe_socket(Listener::Impl& impl) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(impl.fd.raw(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return os_error("look at a listening socket", errno);
    }
    char text[INET6_ADDRSTRLEN] = {};
    if (address.ss_family == AF_UNIX) {
        impl.text = "unix://" + unix_path_of(address, size);
        return ok();
    }
    Address named{Address::Kind::Tcp, "", 0};
    if (address.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
        named.host = ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        named.port = ntohs(v4.sin_port);
        impl.loopback = (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
    } else if (address.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
        named.host = ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        named.port = ntohs(v6.sin6_port);
        impl.loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    } else {
        return unsupported("a listening socket of address family " +
                           std::to_string(address.ss_family));
    }
    impl.tcp = true;
    impl.port = named.port;
    impl.text = named.text();
    return ok();
}

Result<std::unique_ptr<Listener>> finish(Loop& loop, os::Fd fd, std::string unlink_path) {
    auto impl = std::shared_ptr<Listener::Impl>(
        new Listener::Impl{loop, std::move(fd), nullptr, std::move(unlink_path)});
    ::fcntl(impl->fd.raw(), F_SETFL, O_NONBLOCK);
    ::fcntl(impl->fd.raw(), F_SETFD, FD_CLOEXEC);
    TRY(describe_socket(*impl));
    TRY_LET(readiness, Readiness::create(loop, impl->fd.raw()));
    impl->readiness = readiness;
    return std::make_unique<Listener>(std::move(impl));
}

/// Whether somebody answers on the socket file.
bool is_alive(const UnixAddress& address) {
    const os::Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return ::connect(probe.raw(), address.get(), UnixAddress::size()) == 0 || errno == EAGAIN;
}

Result<void> bind_unix(const os::Fd& fd, const UnixAddress& address, const std::string& path) {
    if (::bind(fd.raw(), address.get(), UnixAddress::size()) == 0) { return ok(); }
    if (errno != EADDRINUSE) { return os_error("listen on " + path, errno); }
    struct stat about {};
    const bool stale =
        ::lstat(path.c_str(), &about) == 0 && S_ISSOCK(about.st_mode) && !is_alive(address);
    if (!stale) {
        return Error{Errc::Conflict, "listen on " + path + ": address already in use", EADDRINUSE};
    }
    ::unlink(path.c_str());
    if (::bind(fd.raw(), address.get(), UnixAddress::size()) == 0) { return ok(); }
    return os_error("listen on " + path, errno);
}

Result<os::Fd> open_tcp(int family, const sockaddr* address, socklen_t size,
                        const std::string& text) {
    os::Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) { return os_error("listen on " + text, errno); }
    const int on = 1;
    const int off = 0;
    ::setsockopt(fd.raw(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6) { ::setsockopt(fd.raw(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off); }
    const bool done = ::bind(fd.raw(), address, size) == 0 && ::listen(fd.raw(), backlog) == 0;
    if (!done) { return os_error("listen on " + text, errno); }
    return fd;
}

bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

Task<Result<StreamPtr>> accept_on(std::shared_ptr<Listener::Impl> impl, Until until) {
    for (;;) {
        if (impl->closed) { co_return Error{Errc::Cancelled, "accept: closed"}; }
        os::Fd fd(::accept4(impl->fd.raw(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        const int error = errno;
        if (fd) { co_return make_socket_stream(impl->loop, std::move(fd)); }
        if (is_shortage(error)) {
            co_return Error{Errc::Exhausted,
                            "accept on " + impl->text + ": " + std::strerror(error), error};
        }
        // Anything else is about one connection that failed before it was accepted (accept(2)).
        if (error != EAGAIN && error != EWOULDBLOCK) { continue; }
        const auto readiness = impl->readiness;
        const Wake wake = co_await readiness->wait(Side::Read, until);
        CO_TRY(to_result(wake, "accept"));
    }
}

} // namespace

Result<std::unique_ptr<Listener>> Listener::listen_unix(Loop& loop, std::string path,
                                                        UnixSocketOptions options) {
    TRY_LET(address, UnixAddress::of(path));
    os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) { return os_error("listen on " + path, errno); }
    ::fchmod(fd.raw(),
             0600); // the file begins with this mode; nobody can connect before listen() anyway
    TRY(bind_unix(fd, address, path));
    const auto fail = [&](const char* what) {
        const int error = errno;
        ::unlink(path.c_str());
        return os_error(std::string(what) + path, error);
    };
    if (options.group && ::lchown(path.c_str(), static_cast<uid_t>(-1), *options.group) != 0) {
        return fail("change the group of ");
    }
    if (::chmod(path.c_str(), options.mode) != 0) { return fail("change the mode of "); }
    if (::listen(fd.raw(), backlog) != 0) { return fail("listen on "); }
    TRY_LET(made, finish(loop, std::move(fd), path));
    made->impl_->text = "unix://" + path;
    return std::move(made);
}

Result<std::unique_ptr<Listener>> Listener::listen_tcp(Loop& loop, std::string host,
                                                       std::uint16_t port) {
    const auto text = Address{Address::Kind::Tcp, host, port}.text();
    if (host == "localhost") { host = "127.0.0.1"; }
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    v4.sin_family = AF_INET;
    v6.sin6_family = AF_INET6;
    v4.sin_port = v6.sin6_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        TRY_LET(fd, open_tcp(AF_INET, reinterpret_cast<const sockaddr*>(&v4), sizeof v4, text));
        return finish(loop, std::move(fd), "");
    }
    if (!host.empty() && ::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) {
        return invalid("listen on " + text + ": not a numeric address");
    }
    auto fd = open_tcp(AF_INET6, reinterpret_cast<const sockaddr*>(&v6), sizeof v6, text);
    const bool without_v6 = !fd && host.empty() && fd.error().os_errno == EAFNOSUPPORT;
    if (without_v6) { return listen_tcp(loop, "0.0.0.0", port); }
    if (!fd) { return std::move(fd).error(); }
    return finish(loop, std::move(*fd), "");
}

Result<std::unique_ptr<Listener>> Listener::adopt(Loop& loop, os::Fd fd) {
    return finish(loop, std::move(fd), "");
}

Listener::~Listener() { close(); }
void Listener::close() { impl_->close(); }
Task<Result<StreamPtr>> Listener::accept(Until until) { return accept_on(impl_, until); }
bool Listener::is_tcp() const { return impl_->tcp; }
bool Listener::is_loopback() const { return impl_->loopback; }
std::uint16_t Listener::port() const { return impl_->port; }
std::string Listener::text() const { return impl_->text; }

} // namespace shoal::net
