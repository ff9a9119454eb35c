#include "os/sockets.h"

#include "os/netlink_request.h"
#include "os/netns.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

namespace shoal::os {
namespace {

struct Inbound {
    std::set<std::uint16_t> listening; ///< network order, as all here
    std::vector<std::uint16_t> established;
};

/// 127.0.0.0/8, ::1 and the former in the form of the latter.
bool is_loopback(const inet_diag_sockid& id, int family) {
    in6_addr address{};
    std::memcpy(&address, id.idiag_dst, sizeof address);
    if (family == AF_INET) { return address.s6_addr[0] == 127; }
    return IN6_IS_ADDR_LOOPBACK(&address) ||
           (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
}

bool is_own(const inet_diag_sockid& id, int family) {
    return is_loopback(id, family) ||
           std::memcmp(id.idiag_src, id.idiag_dst, family == AF_INET ? 4 : 16) == 0;
}

void note(const inet_diag_msg& socket, Inbound& inbound) {
    if (socket.idiag_state == TCP_LISTEN) {
        inbound.listening.insert(socket.id.idiag_sport);
    } else if (!is_own(socket.id, socket.idiag_family)) {
        inbound.established.push_back(socket.id.idiag_sport);
    }
}

Result<void> ask(nl_sock* socket, std::uint8_t family, Inbound& inbound) {
    inet_diag_req_v2 wanted{};
    wanted.sdiag_family = family;
    wanted.sdiag_protocol = IPPROTO_TCP;
    wanted.idiag_states = (1u << TCP_LISTEN) | (1u << TCP_ESTABLISHED);
    Request request(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, wanted);
    Answer answer;
    answer.each = [&](nlmsghdr* header) {
        note(*static_cast<const inet_diag_msg*>(nlmsg_data(header)), inbound);
    };
    const int failed = exchange(socket, request.message(), answer);
    return failed == 0 ? ok() : Result<void>(os_error("list sockets", failed));
}

Result<Inbound> look(const Fd& netns) {
    Inbound inbound;
    TRY(run_in_netns(netns, [&]() -> Result<void> {
        TRY_LET(socket, connect_netlink(NETLINK_SOCK_DIAG));
        const std::unique_ptr<nl_sock, void (*)(nl_sock*)> owner(socket, nl_socket_free);
        TRY(ask(socket, AF_INET, inbound));
        return ask(socket, AF_INET6, inbound);
    }));
    return inbound;
}

} // namespace

Result<std::size_t> count_inbound_connections(const Fd& netns) {
    TRY_LET(inbound, look(netns));
    const auto counts =
        std::count_if(inbound.established.begin(), inbound.established.end(),
                      [&](std::uint16_t port) { return inbound.listening.contains(port); });
    return static_cast<std::size_t>(counts);
}

Result<std::set<std::uint16_t>> listening_ports(const Fd& netns) {
    TRY_LET(inbound, look(netns));
    std::set<std::uint16_t> ports;
    for (const auto port : inbound.listening) { ports.insert(ntohs(port)); }
    return ports;
}

} // namespace shoal::os
