#include "network/path_mtu.h"

#include "network/checksum.h"
#include "network/socket_address.h"
#include "os/fd.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <unistd.h>

namespace shoal::network {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct Patience {
    int attempts = 0;
    milliseconds answer_time;
};
constexpr Patience usual{2, milliseconds(300)};
/// Before a path is said to be narrow: a machine that is busy answers late, whatever the size.
constexpr Patience great{4, milliseconds(800)};
constexpr int echo_header = 8;
/// Jumbo frames, Ethernet, PPPoE, IPsec and clouds, VXLAN, WireGuard, and what always works.
constexpr std::array usual_sizes{9216, 9000, 8951, 8900, 4000, 2000, 1500, 1492, 1480, 1472, 1460,
                                 1450, 1430, 1420, 1410, 1400, 1380, 1350, 1300, 1280, 576};
constexpr int smallest_v6 = 1280;

int ip_header(Family family) { return family == Family::V4 ? 20 : 40; }

void put16(std::string& bytes, std::size_t at, std::uint16_t value) {
    bytes[at] = static_cast<char>(value >> 8);
    bytes[at + 1] = static_cast<char>(value & 0xff);
}
std::uint16_t get16(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[at]) << 8 |
                                      static_cast<std::uint8_t>(bytes[at + 1]));
}

/// An echo request; of IPv6 the kernel fills in the checksum.
std::string echo_of(Family family, std::uint16_t id, std::uint16_t number, int size) {
    std::string bytes(static_cast<std::size_t>(size - ip_header(family)), '\0');
    bytes[0] = static_cast<char>(family == Family::V4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST);
    put16(bytes, 4, id);
    put16(bytes, 6, number);
    if (family == Family::V4) { put16(bytes, 2, internet_checksum(bytes)); }
    return bytes;
}

/// A raw IPv4 socket is given the IP header too.
bool is_answer(Family family, std::string_view packet, std::uint16_t id, std::uint16_t number) {
    if (family == Family::V4) {
        if (packet.empty()) { return false; }
        const auto header = static_cast<std::size_t>(packet[0] & 0x0f) * 4;
        if (packet.size() < header) { return false; }
        packet.remove_prefix(header);
    }
    const int reply = family == Family::V4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
    return packet.size() >= echo_header && static_cast<std::uint8_t>(packet[0]) == reply &&
           get16(packet, 4) == id && get16(packet, 6) == number;
}

class Prober {
  public:
    explicit Prober(Ip to) : to_(to) {}

    Result<void> open() {
        const bool v4 = to_.is_v4();
        socket_ = os::Fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                  v4 ? int(IPPROTO_ICMP) : int(IPPROTO_ICMPV6)));
        if (!socket_) { return os_error("open an ICMP socket", errno); }
        // Never cut, and whatever the kernel believes about the path is not asked.
        const int probe = v4 ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE;
        const int done =
            v4 ? ::setsockopt(socket_.raw(), IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe)
               : ::setsockopt(socket_.raw(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof probe);
        if (done != 0) { return os_error("set up an ICMP socket", errno); }
        const auto address = socket_address(to_, to_.family(), 0);
        if (::connect(socket_.raw(), address.get(), address.size) != 0) {
            return os_error("reach " + to_.text(), errno);
        }
        return ok();
    }

    bool passes(int size, const Patience& patience) {
        for (int attempt = 0; attempt < patience.attempts; ++attempt) {
            const auto number = ++number_;
            const auto echo = echo_of(to_.family(), id_, number, size);
            if (::send(socket_.raw(), echo.data(), echo.size(), 0) < 0) {
                if (errno == EMSGSIZE) { return false; } // the link itself refuses
                continue;
            }
            if (answered(number, patience.answer_time)) { return true; }
        }
        return false;
    }

  private:
    bool answered(std::uint16_t number, milliseconds answer_time) const {
        const auto until = steady_clock::now() + answer_time;
        std::array<char, 16384> buffer{};
        for (;;) {
            const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now()).count();
            if (left <= 0) { return false; }
            pollfd waiting{socket_.raw(), POLLIN, 0};
            if (::poll(&waiting, 1, static_cast<int>(left)) <= 0) { return false; }
            const auto got = ::recv(socket_.raw(), buffer.data(), buffer.size(), 0);
            if (got > 0 && is_answer(to_.family(), {buffer.data(), static_cast<std::size_t>(got)},
                                     id_, number)) {
                return true;
            }
        }
    }

    Ip to_;
    os::Fd socket_;
    std::uint16_t id_ = static_cast<std::uint16_t>(::getpid());
    std::uint16_t number_ = 0;
};

} // namespace

std::vector<int> mtu_candidates(Family family, int link_mtu) {
    std::vector<int> sizes{link_mtu};
    for (const int size : usual_sizes) {
        const bool possible = family == Family::V4 || size >= smallest_v6;
        if (size < link_mtu && possible) { sizes.push_back(size); }
    }
    return sizes;
}

Result<int> probe_path_mtu(const Ip& to, int link_mtu) {
    Prober prober(to);
    TRY(prober.open());
    const auto sizes = mtu_candidates(to.family(), link_mtu);
    if (prober.passes(sizes.front(), usual)) { return sizes.front(); }
    if (!prober.passes(sizes.back(), great)) {
        return Error{Errc::Timeout, to.text() + " does not answer echo requests"};
    }
    if (prober.passes(sizes.front(), great)) { return sizes.front(); }
    // What passes is at the end of the list: look for where it begins.
    auto begin = sizes.begin() + 1, end = sizes.end() - 1;
    while (begin < end) {
        const auto middle = begin + (end - begin) / 2;
        if (prober.passes(*middle, usual)) {
            end = middle;
        } else {
            begin = middle + 1;
        }
    }
    return *begin;
}

} // namespace shoal::network
