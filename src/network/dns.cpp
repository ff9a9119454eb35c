#include "network/dns.h"

#include "net/listener.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "net/stream.h"
#include "network/dns_message.h"
#include "network/socket_address.h"
#include "os/netns.h"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace shoal::network {
namespace {

constexpr std::size_t message_max = 65535;
constexpr int bind_tries = 8;

sockaddr_in loopback_address(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(0x7f00000b); // 127.0.0.11
    return address;
}

Result<os::Fd> bound_socket(int type, std::uint16_t port) {
    os::Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) { return os_error("create a DNS socket", errno); }
    const int on = 1;
    if (type == SOCK_STREAM) {
        (void)::setsockopt(fd.raw(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    const auto address = loopback_address(port);
    if (::bind(fd.raw(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return os_error("bind 127.0.0.11:" + std::to_string(port), errno);
    }
    if (type == SOCK_STREAM && ::listen(fd.raw(), 64) != 0) {
        return os_error("listen for DNS", errno);
    }
    return fd;
}

std::uint16_t port_of(const os::Fd& fd) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd.raw(), reinterpret_cast<sockaddr*>(&address), &size) != 0) { return 0; }
    return ntohs(address.sin_port);
}

/// True for answers after which the next server may know better.
bool is_failure(std::string_view answer) {
    const int code = answer.size() > 3 ? answer[3] & 0x0f : 2;
    return code == 2 || code == 5;
}

net::Task<Result<void>> read_exactly(net::Stream& stream, std::span<char> into, net::Until until) {
    while (!into.empty()) {
        CO_TRY_LET(got, co_await stream.read_some(into, until));
        if (got == 0) { co_return Error{Errc::Unavailable, "the connection ended"}; }
        into = into.subspan(got);
    }
    co_return ok();
}

net::Task<Result<std::string>> read_message(net::Stream& stream, net::Until until) {
    char head[2];
    CO_TRY(co_await read_exactly(stream, std::span<char>(head, 2), until));
    const std::size_t size = message_id(std::string_view(head, 2));
    std::string message(size, '\0');
    CO_TRY(co_await read_exactly(stream, std::span<char>(message), until));
    co_return message;
}

net::Task<Result<void>> write_message(net::Stream& stream, std::string message, net::Until until) {
    std::string head(2, '\0');
    set_message_id(head, static_cast<std::uint16_t>(message.size()));
    co_return co_await stream.write_all(head, message, until);
}

} // namespace

Result<DnsSockets> open_dns_sockets(std::uint16_t port) {
    for (int attempt = 0;; ++attempt) {
        TRY_LET(udp, bound_socket(SOCK_DGRAM, port));
        const auto chosen = port_of(udp);
        auto tcp = bound_socket(SOCK_STREAM, chosen);
        if (tcp) { return DnsSockets{std::move(udp), std::move(*tcp), chosen}; }
        if (port != 0 || attempt == bind_tries) { return std::move(tcp).error(); }
    }
}

struct DnsServer::Client {
    Client(net::Loop& loop, DnsSockets opened, os::Fd namespace_fd, DnsView first_view)
        : udp(std::move(opened.udp)), netns(std::move(namespace_fd)), view(std::move(first_view)),
          watch(loop, udp), scope(loop) {}
    os::Fd udp;
    os::Fd netns;
    DnsView view;
    std::size_t in_flight = 0;
    net::Watch watch;
    std::unique_ptr<net::Listener> listener;
    std::map<std::size_t, net::StreamPtr> connections;
    std::size_t next_slot = 0;
    net::TaskScope scope; ///< last: its tasks use all of the above
};

DnsServer::DnsServer(net::Loop& loop, Random& random, DnsLimits limits)
    : loop_(loop), random_(random), limits_(limits) {}
DnsServer::~DnsServer() = default;

Result<void> DnsServer::add(const std::string& container, DnsSockets sockets, os::Fd netns,
                            DnsView view) {
    remove(container);
    auto listener = net::Listener::adopt(loop_, std::move(sockets.tcp));
    if (!listener) { return std::move(listener).error(); }
    auto client =
        std::make_unique<Client>(loop_, std::move(sockets), std::move(netns), std::move(view));
    client->listener = std::move(*listener);
    client->scope.spawn(serve_udp(client.get()));
    client->scope.spawn(serve_tcp(client.get()));
    clients_[container] = std::move(client);
    return ok();
}

void DnsServer::set_view(const std::string& container, DnsView view) {
    const auto client = clients_.find(container);
    if (client != clients_.end()) { client->second->view = std::move(view); }
}

void DnsServer::remove(const std::string& container) { clients_.erase(container); }

std::optional<std::string> DnsServer::answer_here(const Client& client, std::string_view query,
                                                  std::size_t bytes_max) {
    const auto question = parse_question(query);
    if (!question) { return render_failure(query, DnsFailure::Format); }
    if (!question->internet) { return render_failure(query, DnsFailure::Refused); }
    const auto found = question->type == DnsType::Ptr
                           ? names_.find_reverse(client.view, question->name)
                           : names_.find(client.view, question->name);
    if (found.kind == NameAnswer::Kind::Unknown) { return std::nullopt; }
    return render_answer(query, found, {std::max(bytes_max, question->udp_size), rotation_++});
}

net::Task<void> DnsServer::serve_udp(Client* client) {
    std::string buffer(4096, '\0');
    for (;;) {
        sockaddr_storage from{};
        socklen_t from_size = sizeof from;
        const ssize_t got =
            ::recvfrom(client->udp.raw(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                       reinterpret_cast<sockaddr*>(&from), &from_size);
        if (got < 0) {
            auto ready = co_await client->watch.readable({});
            if (!ready) { co_return; }
            continue;
        }
        std::string query(buffer.data(), static_cast<std::size_t>(got));
        std::string peer(reinterpret_cast<const char*>(&from), from_size);
        auto answer = answer_here(*client, query, 512);
        if (!answer &&
            (client->in_flight >= limits_.in_flight_max || client->view.upstream.empty())) {
            answer = render_failure(query, client->view.upstream.empty() ? DnsFailure::Server
                                                                         : DnsFailure::Refused);
        }
        if (answer) {
            (void)::sendto(client->udp.raw(), answer->data(), answer->size(), MSG_DONTWAIT,
                           reinterpret_cast<const sockaddr*>(peer.data()), from_size);
            continue;
        }
        const auto question = parse_question(query);
        const std::size_t udp_size = question ? question->udp_size : 512;
        ++client->in_flight;
        client->scope.spawn(forward_udp(client, std::move(query), std::move(peer), udp_size));
    }
}

net::Task<void> DnsServer::forward_udp(Client* client, std::string query, std::string peer,
                                       std::size_t udp_size) {
    auto whole = co_await forward(client, query, false);
    const auto answer = truncate_answer(whole, udp_size);
    (void)::sendto(client->udp.raw(), answer.data(), answer.size(), MSG_DONTWAIT,
                   reinterpret_cast<const sockaddr*>(peer.data()),
                   static_cast<socklen_t>(peer.size()));
    --client->in_flight;
}

/// The servers in turn; the last failing answer is better than none.
net::Task<std::string> DnsServer::forward(Client* client, std::string query, bool tcp) {
    const auto servers = client->view.upstream;
    const auto original = message_id(query);
    std::string last;
    for (int round = 0; round < limits_.rounds; ++round) {
        bool silent = false;
        for (const auto& server : servers) {
            std::uint8_t fresh[2];
            random_.fill(fresh);
            std::string asked = query;
            set_message_id(asked, static_cast<std::uint16_t>(fresh[0] << 8 | fresh[1]));
            auto task = tcp ? ask_tcp(client, server, std::move(asked))
                            : ask_udp(client, server, std::move(asked));
            auto answer = co_await std::move(task);
            if (!answer) {
                silent |= answer.error().code == Errc::Timeout;
                continue;
            }
            set_message_id(*answer, original);
            if (!is_failure(*answer)) { co_return std::move(*answer); }
            last = std::move(*answer);
        }
        if (!silent) { break; } // refused or unreachable: asking again changes nothing
    }
    if (last.empty()) { last = render_failure(query, DnsFailure::Server); }
    co_return last;
}

Result<os::Fd> DnsServer::upstream_socket(const Client& client, Ip server, int type) const {
    const int domain = server.is_v4() ? AF_INET : AF_INET6;
    os::Fd fd;
    if (client.view.confined) {
        TRY_LET(inside, os::socket_in_netns(client.netns, {domain, type | SOCK_NONBLOCK, 0}));
        fd = std::move(inside);
    } else {
        fd = os::Fd(::socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!fd) { return os_error("create a DNS socket", errno); }
    }
    const auto address = socket_address(server, server.family(), limits_.upstream_port);
    const int done =
        ::connect(fd.raw(), reinterpret_cast<const sockaddr*>(&address.storage), address.size);
    if (done != 0 && errno != EINPROGRESS) {
        return os_error("connect to DNS server " + server.text(), errno);
    }
    return fd;
}

net::Task<Result<std::string>> DnsServer::ask_udp(Client* client, Ip server, std::string query) {
    CO_TRY_LET(fd, upstream_socket(*client, server, SOCK_DGRAM));
    if (::send(fd.raw(), query.data(), query.size(), MSG_DONTWAIT) < 0) {
        co_return os_error("ask DNS server " + server.text(), errno);
    }
    const net::Until until = Deadline::in(limits_.attempt);
    net::Watch watch(loop_, fd);
    std::string buffer(message_max, '\0');
    for (;;) {
        CO_TRY(co_await watch.readable(until));
        const ssize_t got = ::recv(fd.raw(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) { continue; }
        if (got < 0) { co_return os_error("ask DNS server " + server.text(), errno); }
        const std::string_view answer(buffer.data(), static_cast<std::size_t>(got));
        if (message_id(answer) == message_id(query) && answers(answer, query)) {
            co_return std::string(answer);
        }
    }
}

net::Task<Result<std::string>> DnsServer::ask_tcp(Client* client, Ip server, std::string query) {
    CO_TRY_LET(fd, upstream_socket(*client, server, SOCK_STREAM));
    const net::Until until = Deadline::in(limits_.attempt * 2);
    {
        net::Watch watch(loop_, fd);
        CO_TRY(co_await watch.writable(until));
    }
    const auto stream = net::adopt_stream(loop_, std::move(fd));
    CO_TRY(co_await write_message(*stream, query, until));
    CO_TRY_LET(answer, co_await read_message(*stream, until));
    if (message_id(answer) != message_id(query) || !answers(answer, query)) {
        co_return invalid("DNS server " + server.text() + " answered another question");
    }
    co_return std::move(answer);
}

net::Task<void> DnsServer::serve_tcp(Client* client) {
    for (;;) {
        auto accepted = co_await client->listener->accept({});
        if (!accepted && accepted.error().code != Errc::Exhausted) { co_return; }
        if (!accepted) {
            const net::Until later = Deadline::in(std::chrono::milliseconds(100));
            (void)co_await net::sleep(loop_, later);
            continue;
        }
        if (client->connections.size() >= limits_.connections_max) { continue; }
        const auto slot = client->next_slot++;
        client->connections[slot] = std::move(*accepted);
        client->scope.spawn(serve_connection(client, slot));
    }
}

net::Task<void> DnsServer::serve_connection(Client* client, std::size_t slot) {
    auto& stream = *client->connections[slot];
    for (;;) {
        const net::Until until = Deadline::in(limits_.idle);
        auto query = co_await read_message(stream, until);
        if (!query) { break; }
        auto answer = answer_here(*client, *query, message_max);
        if (!answer) { answer = co_await forward(client, *query, true); }
        auto sent = co_await write_message(stream, *answer, until);
        if (!sent) { break; }
    }
    client->connections.erase(slot);
}

} // namespace shoal::network
