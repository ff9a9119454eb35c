#include "net/stream.h"

#include "base/text.h"
#include "net/fd_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace shoal::net {

namespace {

class PrefixStream : public Stream {
  public:
    PrefixStream(std::string prefix, StreamPtr inner)
        : prefix_(std::move(prefix)), inner_(std::move(inner)) {}
    Task<Result<std::size_t>> read_some(std::span<char> into, Until until) override {
        if (used_ == prefix_.size()) { return inner_->read_some(into, until); }
        const auto count = prefix_.copy(into.data(), into.size(), used_);
        used_ += count;
        if (used_ == prefix_.size()) {
            prefix_ = {};
            used_ = 0;
        }
        return ready(count);
    }
    Task<Result<void>> write_all(std::string_view bytes, Until until) override {
        return inner_->write_all(bytes, until);
    }
    Task<Result<void>> write_all(std::string_view head, std::string_view body,
                                 Until until) override {
        return inner_->write_all(head, body, until);
    }
    Task<Result<void>> shutdown_write(Until until) override {
        return inner_->shutdown_write(until);
    }
    void close() override { inner_->close(); }
    Task<Wake> wait_gone(Until until) override { return inner_->wait_gone(until); }
    int raw() const override { return inner_->raw(); }
    std::string peer() const override { return inner_->peer(); }

  private:
    static Task<Result<std::size_t>> ready(std::size_t count) { co_return count; }
    std::string prefix_;
    std::size_t used_ = 0;
    StreamPtr inner_;
};

std::string host_port(const std::string& host, std::uint16_t port) {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> parse_host_port(std::string_view whole, std::string_view rest,
                                std::uint16_t default_port) {
    const auto bad = [&] { return invalid("invalid address " + go_quote(whole)); };
    while (rest.ends_with('/')) { rest.remove_suffix(1); }
    Address address{Address::Kind::Tcp, "", default_port};
    std::string_view port;
    if (rest.starts_with('[')) {
        const auto close = rest.find(']');
        if (close == std::string_view::npos) { return bad(); }
        address.host = rest.substr(1, close - 1);
        rest.remove_prefix(close + 1);
        if (!rest.empty() && rest.front() != ':') { return bad(); }
        port = rest.empty() ? rest : rest.substr(1);
    } else {
        const auto colon = rest.find(':');
        if (colon != rest.rfind(':')) { return bad(); }
        address.host = rest.substr(0, colon);
        port = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
    }
    if (address.host.find('/') != std::string::npos) { return bad(); }
    if (port.empty()) { return address; }
    const auto number = parse_number<std::uint16_t>(port);
    if (!number) { return bad(); }
    address.port = *number;
    return address;
}

} // namespace

StreamPtr adopt_stream(Loop& loop, os::Fd fd) { return adopt_stream(loop, std::move(fd), {}); }

StreamPtr adopt_stream(Loop& loop, os::Fd read_end, os::Fd write_end) {
    auto peer = peer_name_of(read_end.raw());
    return std::make_unique<FdStream>(std::make_shared<FdState>(
        loop, std::move(read_end), std::move(write_end), std::move(peer)));
}

StreamPtr with_prefix(std::string already_read, StreamPtr inner) {
    if (already_read.empty()) { return inner; }
    return std::make_unique<PrefixStream>(std::move(already_read), std::move(inner));
}

std::string peer_name_of(int socket) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) { return ""; }
    char text[INET6_ADDRSTRLEN] = {};
    if (storage.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
        return host_port(::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text), ntohs(v4.sin_port));
    }
    if (storage.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
        return host_port(::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text),
                         ntohs(v6.sin6_port));
    }
    if (storage.ss_family != AF_UNIX) { return ""; }
    ucred credentials{};
    size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) { return "unix"; }
    return "uid " + std::to_string(credentials.uid);
}

StreamPtr make_socket_stream(Loop& loop, os::Fd socket) {
    const int on = 1; // these fail on unix sockets, which need none of it
    ::setsockopt(socket.raw(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket.raw(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return adopt_stream(loop, std::move(socket));
}

std::string Address::text() const {
    return kind == Kind::Unix ? "unix://" + host : "tcp://" + host_port(host, port);
}

Result<Address> parse_address(std::string_view text, std::uint16_t default_port) {
    if (text.starts_with("unix://")) {
        if (text.size() == 7) { return invalid("invalid address " + go_quote(text) + ": no path"); }
        return Address{Address::Kind::Unix, std::string(text.substr(7)), 0};
    }
    for (const std::string_view scheme : {"tcp://", "http://", "https://"}) {
        if (text.starts_with(scheme)) {
            return parse_host_port(text, text.substr(scheme.size()), default_port);
        }
    }
    return invalid("invalid address " + go_quote(text) + ": expected unix:// or tcp://");
}

void find_dead_peer(const Stream& stream, std::chrono::seconds after) {
    const int raw = stream.raw();
    const int on = 1;
    const int count = 3;
    const int idle = std::max(1, static_cast<int>(after.count()) / 2);
    const int interval = std::max(1, static_cast<int>(after.count()) / 5);
    const int unanswered_ms = static_cast<int>(after.count()) * 1000;
    ::setsockopt(raw, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(raw, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    ::setsockopt(raw, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    ::setsockopt(raw, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    ::setsockopt(raw, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
}

Task<Result<std::uint64_t>> copy_stream(Stream& from, Stream& to, Until until) {
    constexpr std::size_t buffer_bytes = 32 * 1024;
    const auto buffer = std::make_unique_for_overwrite<char[]>(buffer_bytes);
    std::uint64_t total = 0;
    for (;;) {
        const std::span<char> into(buffer.get(), buffer_bytes);
        CO_TRY_LET(got, co_await from.read_some(into, until));
        if (got == 0) { co_return total; }
        const std::string_view bytes(buffer.get(), got);
        CO_TRY(co_await to.write_all(bytes, until));
        total += got;
    }
}

} // namespace shoal::net
