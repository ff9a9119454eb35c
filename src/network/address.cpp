#include "network/address.h"

#include "base/text.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>

namespace shoal::network {

Ip Ip::v4(std::uint32_t host_order) { return from_number(Family::V4, host_order); }

Ip Ip::from_number(Family family, Number number) {
    Ip ip;
    ip.set_ = true;
    ip.family_ = family;
    ip.number_ = number;
    return ip;
}

Ip Ip::from_bytes(std::string_view bytes) {
    if (bytes.size() != 4 && bytes.size() != 16) { return {}; }
    Number number = 0;
    for (const char octet : bytes) { number = number << 8 | static_cast<std::uint8_t>(octet); }
    return from_number(bytes.size() == 4 ? Family::V4 : Family::V6, number);
}

std::optional<Ip> Ip::parse(std::string_view text) {
    const std::string copy(text);
    std::array<char, 16> raw{};
    if (inet_pton(AF_INET, copy.c_str(), raw.data()) == 1) { return from_bytes({raw.data(), 4}); }
    if (inet_pton(AF_INET6, copy.c_str(), raw.data()) != 1) { return std::nullopt; }
    const auto ip = from_bytes({raw.data(), 16});
    if (ip.number() >> 32 == 0xffff) { return from_number(Family::V4, ip.number() & 0xffffffff); }
    return ip;
}

std::string Ip::bytes() const {
    std::string out;
    for (int shift = width() - 8; set_ && shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(static_cast<std::uint8_t>(number_ >> shift)));
    }
    return out;
}

std::string Ip::text() const {
    if (!set_) { return {}; }
    char buffer[INET6_ADDRSTRLEN] = {};
    const auto raw = bytes();
    inet_ntop(is_v4() ? AF_INET : AF_INET6, raw.data(), buffer, sizeof buffer);
    return buffer;
}

Ip Ip::plus(std::int64_t steps) const {
    return from_number(family_, number_ + static_cast<Number>(static_cast<__int128>(steps)));
}

bool Ip::is_loopback() const { return is_v4() ? number_ >> 24 == 127 : is_v6() && number_ == 1; }
bool Ip::is_unspecified() const { return set_ && number_ == 0; }
bool Ip::is_multicast() const {
    return is_v4() ? number_ >> 28 == 14 : is_v6() && number_ >> 120 == 0xff;
}
bool Ip::is_link_local() const {
    return is_v4() ? number_ >> 16 == 0xa9fe : is_v6() && number_ >> 118 == 0x3fa;
}

std::string Ip::reverse_name() const {
    std::string name;
    const auto raw = bytes();
    for (auto octet = raw.rbegin(); octet != raw.rend(); ++octet) {
        const auto value = static_cast<std::uint8_t>(*octet);
        if (is_v4()) {
            name += std::to_string(value) + ".";
        } else {
            constexpr char digits[] = "0123456789abcdef";
            name += {digits[value & 15], '.', digits[value >> 4], '.'};
        }
    }
    return name + (is_v4() ? "in-addr.arpa" : "ip6.arpa");
}

namespace {
Ip::Number host_mask(int width, int bits) {
    const int free = width - bits;
    if (free <= 0) { return 0; }
    if (free >= 128) { return ~Ip::Number{0}; }
    return (Ip::Number{1} << free) - 1;
}
} // namespace

Subnet::Subnet(Ip inside, int bits)
    : base_(Ip::from_number(inside.family(), inside.number() & ~host_mask(inside.width(), bits))),
      bits_(bits) {}

std::optional<Subnet> Subnet::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) { return std::nullopt; }
    const auto ip = Ip::parse(text.substr(0, slash));
    const auto bits = parse_number<int>(text.substr(slash + 1));
    if (!ip || !bits || *bits < 0 || *bits > ip->width()) { return std::nullopt; }
    return Subnet(*ip, *bits);
}

Ip Subnet::last() const {
    return Ip::from_number(family(), base_.number() | host_mask(base_.width(), bits_));
}
bool Subnet::contains(Ip ip) const {
    return !empty() && ip && ip.family() == family() && first() <= ip && ip <= last();
}
bool Subnet::contains(const Subnet& other) const {
    return other.bits() >= bits_ && contains(other.base());
}
bool Subnet::overlaps(const Subnet& other) const {
    return contains(other.base()) || other.contains(base_);
}
std::string Subnet::text() const { return empty() ? "" : cidr_text(base_, bits_); }

std::string cidr_text(Ip ip, int bits) { return ip.text() + "/" + std::to_string(bits); }

std::optional<std::string> parse_mac(std::string_view text) {
    std::string plain = replace_all(to_lower(text), "-", ":");
    const auto parts = split(plain, ':');
    const bool six =
        parts.size() == 6 && std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
            return part.size() == 2 && is_hex(part);
        });
    if (!six || (std::stoi(parts[0], nullptr, 16) & 1) != 0) { return std::nullopt; }
    return plain;
}

std::string mac_of(Ip v4) {
    const auto raw = v4.bytes();
    std::string text = "02:42";
    for (const char octet : raw) {
        const auto value = static_cast<std::uint8_t>(octet);
        text += ":" + to_hex(std::span(&value, 1));
    }
    return text;
}

bool from_text(std::string_view text, Ip& ip) {
    const auto parsed = Ip::parse(text);
    if (parsed) { ip = *parsed; }
    return parsed.has_value();
}
std::string to_text(const Ip& ip) { return ip.text(); }
bool from_text(std::string_view text, Subnet& subnet) {
    const auto parsed = Subnet::parse(text);
    if (parsed) { subnet = *parsed; }
    return parsed.has_value();
}
std::string to_text(const Subnet& subnet) { return subnet.text(); }

} // namespace shoal::network
