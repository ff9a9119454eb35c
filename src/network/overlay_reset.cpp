#include "network/overlay_reset.h"

#include "network/checksum.h"
#include "os/netns.h"

#include <cerrno>
#include <cstring>

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace shoal::network {
namespace {

template <class Header> std::string bytes_of(const Header& header) {
    return {reinterpret_cast<const char*>(&header), sizeof header};
}

/// Length and protocol come last in the pseudo header of both families, in words of another size
/// with the same sum.
std::string tcp_part(const std::string& from, const std::string& to, std::uint16_t from_port,
                     std::uint16_t to_port) {
    tcphdr tcp{};
    tcp.source = htons(from_port);
    tcp.dest = htons(to_port);
    tcp.doff = sizeof tcp / 4;
    tcp.ack = 1;
    const std::string length_and_protocol = {0, sizeof tcp, 0, IPPROTO_TCP};
    tcp.check = htons(internet_checksum(from + to + length_and_protocol + bytes_of(tcp)));
    return bytes_of(tcp);
}

std::string ip_part(const std::string& from, const std::string& to, std::size_t payload) {
    if (from.size() == 16) {
        ip6_hdr ip{};
        ip.ip6_flow = htonl(0x60000000);
        ip.ip6_plen = htons(static_cast<std::uint16_t>(payload));
        ip.ip6_nxt = IPPROTO_TCP;
        ip.ip6_hlim = 64;
        std::memcpy(&ip.ip6_src, from.data(), from.size());
        std::memcpy(&ip.ip6_dst, to.data(), to.size());
        return bytes_of(ip);
    }
    iphdr ip{}; // the kernel adds length and checksum
    ip.version = 4;
    ip.ihl = sizeof ip / 4;
    ip.ttl = 64;
    ip.protocol = IPPROTO_TCP;
    std::memcpy(&ip.saddr, from.data(), from.size());
    std::memcpy(&ip.daddr, to.data(), to.size());
    return bytes_of(ip);
}

Result<os::Fd> raw_socket(const os::Fd& netns, int domain) {
    return os::socket_in_netns(netns, {domain, SOCK_RAW, IPPROTO_RAW});
}

bool send_to(const os::Fd& socket, const std::string& packet, const std::string& where) {
    sockaddr_in four{};
    sockaddr_in6 six{};
    four.sin_family = AF_INET;
    six.sin6_family = AF_INET6;
    const bool v6 = where.size() == 16;
    std::memcpy(v6 ? static_cast<void*>(&six.sin6_addr) : &four.sin_addr, where.data(),
                where.size());
    const auto* address =
        v6 ? reinterpret_cast<const sockaddr*>(&six) : reinterpret_cast<const sockaddr*>(&four);
    return ::sendto(socket.raw(), packet.data(), packet.size(), 0, address,
                    v6 ? sizeof six : sizeof four) >= 0;
}

} // namespace

std::string misplaced_segment(const os::TrackedConnection& connection) {
    const auto tcp = tcp_part(connection.destination, connection.source,
                              connection.destination_port, connection.source_port);
    return ip_part(connection.destination, connection.source, tcp.size()) + tcp;
}

Result<void> provoke_resets(const os::Fd& netns,
                            const std::vector<os::TrackedConnection>& connections) {
    os::Fd v4, v6;
    for (const auto& connection : connections) {
        if (connection.protocol != IPPROTO_TCP || connection.ended) { continue; }
        const bool is_v6 = connection.source.size() == 16;
        auto& socket = is_v6 ? v6 : v4;
        if (!socket) {
            TRY_LET(opened, raw_socket(netns, is_v6 ? AF_INET6 : AF_INET));
            socket = std::move(opened);
        }
        (void)send_to(socket, misplaced_segment(connection), connection.source);
    }
    return ok();
}

} // namespace shoal::network
