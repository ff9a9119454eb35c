// Internet addresses and subnets as values: parse, print, compare, count. Both families in one
// type, because every list and map of the network code holds both. It is not a socket address:
// there is no port here.
#pragma once

#include "base/result.h"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::network {

enum class Family { V4, V6 };

class Ip {
  public:
    using Number = unsigned __int128;

    Ip() = default; ///< none; prints as ""
    static Ip v4(std::uint32_t host_order);
    static Ip from_number(Family family, Number number);
    /// IPv4 dotted quad or IPv6 text; IPv4-mapped IPv6 becomes IPv4. Zones ("%eth0") are refused.
    static std::optional<Ip> parse(std::string_view text);

    bool empty() const { return !set_; }
    explicit operator bool() const { return set_; }
    Family family() const { return family_; }
    bool is_v4() const { return set_ && family_ == Family::V4; }
    bool is_v6() const { return set_ && family_ == Family::V6; }
    bool is_loopback() const;
    bool is_unspecified() const;
    bool is_multicast() const;
    bool is_link_local() const;
    Number number() const { return number_; }
    int width() const { return family_ == Family::V4 ? 32 : 128; }
    /// Network order, 4 or 16 bytes.
    std::string bytes() const;
    static Ip from_bytes(std::string_view bytes); ///< 4 or 16 bytes; else none
    Ip plus(std::int64_t steps) const;
    std::string text() const;
    /// "2.0.17.172.in-addr.arpa" / "...ip6.arpa", without a final dot.
    std::string reverse_name() const;

    auto operator<=>(const Ip&) const = default;

  private:
    bool set_ = false;
    Family family_ = Family::V4;
    Number number_ = 0;
};

/// A network prefix. `base` has its host bits cleared.
class Subnet {
  public:
    Subnet() = default;
    Subnet(Ip inside, int bits);
    /// "10.0.0.0/8"; host bits are cleared. Without "/", nothing.
    static std::optional<Subnet> parse(std::string_view text);

    bool empty() const { return base_.empty(); }
    Family family() const { return base_.family(); }
    Ip base() const { return base_; }
    int bits() const { return bits_; }
    Ip first() const { return base_; }
    Ip last() const;
    bool contains(Ip ip) const;
    bool contains(const Subnet& other) const;
    bool overlaps(const Subnet& other) const;
    std::string text() const;

    auto operator<=>(const Subnet&) const = default;

  private:
    Ip base_;
    int bits_ = 0;
};

/// "172.17.0.2" with bits 16 as "172.17.0.2/16".
std::string cidr_text(Ip ip, int bits);

/// A hardware address as lower-case text "02:42:ac:11:00:02"; nothing when it is not six octets or
/// is multicast.
std::optional<std::string> parse_mac(std::string_view text);
/// Docker's derivation 02:42:<four octets of the address>.
std::string mac_of(Ip v4);

bool from_text(std::string_view text, Ip& ip);
std::string to_text(const Ip& ip);
bool from_text(std::string_view text, Subnet& subnet);
std::string to_text(const Subnet& subnet);

} // namespace shoal::network
