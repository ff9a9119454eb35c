#include "network/ports.h"

#include "net/listener.h"
#include "net/scope.h"
#include "net/stream.h"
#include "network/socket_address.h"

#include "base/text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace shoal::network {
namespace {

constexpr int random_tries = 64;
constexpr auto udp_idle = std::chrono::seconds(90);
constexpr auto connect_time = std::chrono::seconds(10);

/// One socket to bind for a wish, before its port is known.
struct Slot {
    Ip host;
    Family family = Family::V4;
    Ip target;
    Ip relay;
    bool shown = true;
    bool optional = false;
    std::string text; ///< the host address as it is shown

    /// What the socket itself sees: everything when it relays an address of its own, ::1 when rules
    /// do the rest.
    bool sees_all() const { return relay && !target; }
    bool sees_loopback() const { return relay && target; }
};

Slot any_v4(const PortTarget& target) {
    return {{}, Family::V4, target.v4, {}, true, false, "0.0.0.0"};
}
Slot any_v6(const PortTarget& target) {
    return {{}, Family::V6, target.v6, target.v6, true, false, "::"};
}
Slot relay_only(const Ip& host, const PortTarget& target) {
    return {host, Family::V6, {}, target.v6 ? target.v6 : target.v4, true, false, host.text()};
}

std::vector<Slot> slots_without_address(const PortRequest& request) {
    std::vector<Slot> slots;
    const auto& target = request.target;
    const auto host = Ip::parse(request.default_v4).value_or(Ip::v4(0));
    if (!host.is_unspecified()) {
        if (target.v4) {
            slots.push_back({host, Family::V4, target.v4, {}, true, false, host.text()});
        }
        return slots;
    }
    if (target.v4) { slots.push_back(any_v4(target)); }
    if (target.v6 && request.host_ipv6) { slots.push_back(any_v6(target)); }
    if (target.v4 && !target.v6 && request.host_ipv6) {
        auto companion = relay_only(Ip::from_number(Family::V6, 1), target);
        companion.shown = false;
        companion.optional = true;
        slots.push_back(companion);
    }
    return slots;
}

Result<std::vector<Slot>> slots_of(const PortWish& wish, const PortRequest& request) {
    if (wish.host_ip.empty()) { return slots_without_address(request); }
    const auto& target = request.target;
    const auto host = Ip::parse(wish.host_ip);
    if (!host) {
        return invalid("invalid IP address " + go_quote(wish.host_ip) + " of a published port");
    }
    if (host->is_v4()) {
        if (!target.v4) {
            return invalid("cannot publish on " + wish.host_ip +
                           ": the container has no IPv4 address");
        }
        if (host->is_unspecified()) { return std::vector{any_v4(target)}; }
        return std::vector{Slot{*host, Family::V4, target.v4, {}, true, false, host->text()}};
    }
    if (host->is_loopback() || !target.v6) { return std::vector{relay_only(*host, target)}; }
    if (host->is_unspecified()) { return std::vector{any_v6(target)}; }
    return std::vector{Slot{*host, Family::V6, target.v6, {}, true, false, host->text()}};
}

std::uint16_t port_of(const os::Fd& fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    (void)::getsockname(fd.raw(), reinterpret_cast<sockaddr*>(&storage), &size);
    return ntohs(
        reinterpret_cast<const sockaddr_in&>(storage).sin_port); // same place in both families
}

int socket_type(Protocol protocol) { return protocol == Protocol::Udp ? SOCK_DGRAM : SOCK_STREAM; }
int socket_protocol(Protocol protocol) { return protocol == Protocol::Sctp ? IPPROTO_SCTP : 0; }

/// What arrives is dropped without an answer: the sender tries again and finds the rules, should
/// they have been missing for a moment. With `loopback`, packets to ::1 pass.
void attach_filter(const os::Fd& fd, bool loopback) {
    sock_filter drop[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    const auto word =
        static_cast<std::uint32_t>(SKF_NET_OFF + 24); // the destination address of an IPv6 header
    sock_filter to_loopback[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, word),      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, word + 4),  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, word + 8),  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, word + 12), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),         BPF_STMT(BPF_RET | BPF_K, 0),
    };
    sock_fprog program{};
    program.len = loopback ? std::size(to_loopback) : std::size(drop);
    program.filter = loopback ? to_loopback : drop;
    (void)::setsockopt(fd.raw(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

Result<os::Fd> bind_slot(const Slot& slot, Protocol protocol, std::uint16_t port) {
    const int domain = slot.family == Family::V4 ? AF_INET : AF_INET6;
    os::Fd fd(::socket(domain, socket_type(protocol) | SOCK_CLOEXEC | SOCK_NONBLOCK,
                       socket_protocol(protocol)));
    if (!fd && protocol == Protocol::Sctp && port != 0) {
        return os::Fd();
    } // the kernel has none: nobody else can take it
    if (!fd) { return os_error("create a socket", errno); }
    const int on = 1;
    if (protocol == Protocol::Tcp) {
        (void)::setsockopt(fd.raw(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (slot.family == Family::V6) {
        (void)::setsockopt(fd.raw(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (!slot.sees_all()) { attach_filter(fd, slot.sees_loopback()); }
    // An address that comes later (VRRP, DHCP) may be named already.
    (void)::setsockopt(fd.raw(), SOL_IP, IP_FREEBIND, &on, sizeof on);
    const auto host = slot.host ? slot.host : Ip::from_number(slot.family, 0);
    const auto address = socket_address(host, slot.family, port);
    if (::bind(fd.raw(), address.get(), address.size) != 0) { return os_error("bind", errno); }
    if (protocol != Protocol::Udp && ::listen(fd.raw(), 1024) != 0) {
        return os_error("listen", errno);
    }
    return fd;
}

std::string host_and_port(const Slot& slot, std::uint16_t port) {
    const auto text = slot.text.find(':') != std::string::npos ? "[" + slot.text + "]" : slot.text;
    return text + ":" + std::to_string(port);
}

bool held_by_us(const Slot& slot, const PortKey& key, std::uint16_t port,
                const std::vector<PortBinding>& taken) {
    return std::any_of(taken.begin(), taken.end(), [&](const PortBinding& other) {
        if (other.host_port != port || other.container.protocol != key.protocol) { return false; }
        const auto ip = Ip::parse(other.host_ip).value_or(Ip{});
        const bool any = ip.is_unspecified() || !slot.host || slot.host.is_unspecified();
        return ip.family() == slot.family && (any || ip == slot.host);
    });
}

Error bind_failure(const Error& cause, const Slot& slot, const PortKey& key, std::uint16_t port,
                   const std::vector<PortBinding>& taken) {
    if (held_by_us(slot, key, port, taken)) {
        return internal("Bind for " + host_and_port(slot, port) +
                        " failed: port is already allocated");
    }
    const auto why = cause.os_errno == EADDRINUSE ? std::string("address already in use")
                     : cause.os_errno == EADDRNOTAVAIL
                         ? std::string("cannot assign requested address")
                         : cause.message;
    const auto inside = (slot.target ? slot.target : slot.relay).text();
    return internal("failed to bind host port for " + host_and_port(slot, port) + ":" + inside +
                    ":" + std::to_string(key.port) + "/" + to_text(key.protocol) + ": " + why);
}

/// What the kernel does not know: the cluster's ports have no socket.
Result<void> refuse_reserved(const PortRequest& request, const Slot& slot, const PortKey& key,
                             std::uint16_t port) {
    const auto owner = request.reserved.find({key.protocol, port});
    if (owner == request.reserved.end()) { return ok(); }
    return internal("Bind for " + host_and_port(slot, port) +
                    " failed: port is already allocated: service " + owner->second +
                    " publishes it on every node");
}

/// All slots on one port, or the failure of the first that cannot have it.
Result<std::vector<HeldPort>> hold_at(const std::vector<Slot>& slots, const PortRequest& request,
                                      const PortKey& key, std::uint16_t port,
                                      const std::vector<PortBinding>& taken) {
    std::vector<HeldPort> held;
    for (const auto& slot : slots) {
        auto fd = bind_slot(slot, key.protocol, port);
        if (!fd && slot.optional) { continue; }
        if (!fd) { return bind_failure(fd.error(), slot, key, port, taken); }
        if (port == 0) { port = port_of(*fd); }
        TRY(refuse_reserved(request, slot, key, port));
        HeldPort one;
        one.binding = {key, slot.text, port};
        one.host = slot.host;
        one.family = slot.family;
        one.target = slot.target;
        one.relay = slot.relay;
        one.shown = slot.shown;
        one.socket = std::move(*fd);
        held.push_back(std::move(one));
    }
    return held;
}

Result<std::vector<HeldPort>> hold_wish(const PortWish& wish, const std::vector<Slot>& slots,
                                        const PortRequest& request,
                                        const std::vector<PortBinding>& taken) {
    if (wish.host_first == 0) {
        for (int attempt = 0;; ++attempt) {
            auto held = hold_at(slots, request, wish.container, 0, taken);
            if (held || attempt == random_tries) { return held; }
        }
    }
    const auto last = std::max(wish.host_first, wish.host_last);
    for (unsigned port = wish.host_first; port <= last; ++port) {
        auto held = hold_at(slots, request, wish.container, static_cast<std::uint16_t>(port), taken);
        if (held || wish.host_first == last) { return held; }
    }
    return internal("Bind for " + (slots.empty() ? "" : slots.front().text) + ":" +
                    std::to_string(wish.host_first) + "-" + std::to_string(last) +
                    " failed: all ports are allocated");
}

/// After a restart: the port that this wish got before.
void apply_fixed(PortWish& wish, const std::vector<PortBinding>& fixed, std::vector<bool>& used) {
    for (std::size_t i = 0; i < fixed.size(); ++i) {
        if (used[i] || fixed[i].container != wish.container) { continue; }
        if (!wish.host_ip.empty() && fixed[i].host_ip != wish.host_ip) { continue; }
        if (wish.host_first != 0 &&
            (fixed[i].host_port < wish.host_first ||
             fixed[i].host_port > std::max(wish.host_first, wish.host_last))) {
            continue;
        }
        const auto port = fixed[i].host_port;
        for (std::size_t j = i; j < fixed.size(); ++j) { // its twin of the other family
            if (fixed[j].container == wish.container && fixed[j].host_port == port) {
                used[j] = true;
            }
        }
        wish.host_first = wish.host_last = port;
        return;
    }
}

void relay_everything(std::vector<Slot>& slots) {
    for (auto& slot : slots) {
        if (slot.target) { slot.relay = slot.target; }
        slot.target = {};
    }
}

} // namespace

Result<std::vector<HeldPort>> hold_ports(const PortRequest& request,
                                         const std::vector<PortBinding>& taken) {
    std::vector<HeldPort> all;
    auto busy = taken;
    std::vector<bool> used(request.fixed.size());
    for (auto wish : request.wishes) {
        apply_fixed(wish, request.fixed, used);
        TRY_LET(slots, slots_of(wish, request));
        if (request.relay_all) { relay_everything(slots); }
        TRY_LET(held, hold_wish(wish, slots, request, busy));
        for (auto& one : held) {
            busy.push_back(one.binding);
            all.push_back(std::move(one));
        }
    }
    return all;
}

struct Relays::Relay {
    Relay(net::Loop& loop, Ip to, std::uint16_t to_port) : target(to), port(to_port), scope(loop) {}
    Ip target;
    std::uint16_t port;
    std::unique_ptr<net::Listener> listener; ///< TCP
    os::Fd udp;
    std::unique_ptr<net::Watch> watch;
    std::map<std::string, os::Fd> sessions; ///< by the peer's socket address
    net::TaskScope scope;                   ///< last: its tasks use all of the above
};

Relays::Relays(net::Loop& loop, std::vector<HeldPort> ports)
    : loop_(loop), ports_(std::move(ports)) {
    for (auto& port : ports_) {
        if (!port.relay || !port.socket) { continue; }
        auto relay = std::make_unique<Relay>(loop_, port.relay, port.binding.container.port);
        if (port.binding.container.protocol == Protocol::Tcp) {
            auto listener = net::Listener::adopt(loop_, std::move(port.socket));
            if (!listener) { continue; }
            relay->listener = std::move(*listener);
            relay->scope.spawn(serve_tcp(relay.get()));
        } else if (port.binding.container.protocol == Protocol::Udp) {
            relay->udp = std::move(port.socket);
            relay->watch = std::make_unique<net::Watch>(loop_, relay->udp);
            relay->scope.spawn(serve_udp(relay.get()));
        } else {
            continue; // SCTP is not relayed
        }
        relays_.push_back(std::move(relay));
    }
}
Relays::~Relays() = default;

namespace {
net::Task<void> copy_and_end(net::Stream* from, net::Stream* to) {
    auto copied = co_await net::copy_stream(*from, *to, {});
    if (copied) {
        auto ended = co_await to->shutdown_write({});
        if (ended) { co_return; }
    }
    from->close();
    to->close();
}

net::Task<void> relay_stream(net::Loop& loop, net::StreamPtr client, Ip target,
                             std::uint16_t port) {
    const net::Until until = Deadline::in(connect_time);
    auto connected = co_await net::connect_tcp(loop, target.text(), port, until);
    if (!connected) { co_return; }
    const auto server = std::move(*connected);
    net::TaskScope back(loop);
    back.spawn(copy_and_end(server.get(), client.get()));
    co_await copy_and_end(client.get(), server.get());
    (void)co_await back.drain({});
}
} // namespace

net::Task<void> Relays::serve_tcp(Relay* relay) {
    for (;;) {
        auto accepted = co_await relay->listener->accept({});
        if (!accepted && accepted.error().code != Errc::Exhausted) { co_return; }
        if (!accepted || relay->scope.size() > connections_max) { continue; }
        relay->scope.spawn(relay_stream(loop_, std::move(*accepted), relay->target, relay->port));
    }
}

net::Task<void> Relays::serve_udp_session(Relay* relay, std::string peer) {
    const int raw = relay->sessions[peer].raw();
    net::Watch watch(loop_, relay->sessions[peer]);
    std::string buffer(65536, '\0');
    for (;;) {
        const net::Until until = Deadline::in(udp_idle);
        auto ready = co_await watch.readable(until);
        if (!ready) { break; }
        const ssize_t got = ::recv(raw, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) { continue; }
        if (got < 0) { break; }
        (void)::sendto(relay->udp.raw(), buffer.data(), static_cast<std::size_t>(got), MSG_DONTWAIT,
                       reinterpret_cast<const sockaddr*>(peer.data()),
                       static_cast<socklen_t>(peer.size()));
    }
    relay->sessions.erase(peer);
}

net::Task<void> Relays::serve_udp(Relay* relay) {
    std::string buffer(65536, '\0');
    for (;;) {
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        const ssize_t got = ::recvfrom(relay->udp.raw(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                       reinterpret_cast<sockaddr*>(&from), &size);
        if (got < 0) {
            auto ready = co_await relay->watch->readable({});
            if (!ready) { co_return; }
            continue;
        }
        const std::string peer(reinterpret_cast<const char*>(&from), size);
        if (!relay->sessions.contains(peer)) {
            const int domain = relay->target.is_v4() ? AF_INET : AF_INET6;
            os::Fd fd(::socket(domain, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            const auto to = socket_address(relay->target, relay->target.family(), relay->port);
            const bool full = relay->sessions.size() >= connections_max;
            if (full || !fd || ::connect(fd.raw(), to.get(), to.size) != 0) { continue; }
            relay->sessions[peer] = std::move(fd);
            relay->scope.spawn(serve_udp_session(relay, peer));
        }
        (void)::send(relay->sessions[peer].raw(), buffer.data(), static_cast<std::size_t>(got),
                     MSG_DONTWAIT);
    }
}

} // namespace shoal::network
