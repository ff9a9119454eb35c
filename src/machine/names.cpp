#include "machine/names.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace shoal::machine {
namespace {

bool is_letter_or_digit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

std::string dotted(std::uint32_t address) {
    return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                       address & 255);
}

std::optional<std::uint32_t> parse_dotted(std::string_view text) {
    const auto parts = split(text, '.');
    if (parts.size() != 4) { return std::nullopt; }
    std::uint32_t address = 0;
    for (const auto& part : parts) {
        const auto number = parse_number<std::uint32_t>(part);
        if (!number || *number > 255) { return std::nullopt; }
        address = (address << 8) | *number;
    }
    return address;
}

} // namespace

Result<void> check_name(std::string_view name) {
    const auto bad = [&](std::string_view why) {
        return invalid(fmt::format("invalid machine name {}: {}", go_quote(name), why));
    };
    if (name.empty() || name.size() > name_length_max) {
        return bad(fmt::format("it has 1 to {} characters", name_length_max));
    }
    const bool fits = std::all_of(name.begin(), name.end(), [](char c) {
        return is_letter_or_digit(c) || c == '-' || c == '.';
    });
    if (!fits) { return bad("only letters, digits, \"-\" and \".\" are allowed"); }
    if (!is_letter_or_digit(name.front()) || !is_letter_or_digit(name.back())) {
        return bad("it begins and ends with a letter or a digit");
    }
    return ok();
}

Result<Subnet> Subnet::parse(std::string_view text) {
    const auto [address, length] = cut(text, '/');
    const auto base = parse_dotted(address);
    const auto bits = parse_number<int>(length);
    if (!base || !bits) {
        return invalid(fmt::format("invalid subnet {}: an IPv4 network is wanted, such as {}",
                                   go_quote(text), default_subnet));
    }
    if (*bits < 8 || *bits > 29) {
        return invalid(fmt::format("invalid subnet {}: its length is 8 to 29", go_quote(text)));
    }
    Subnet subnet;
    subnet.bits_ = *bits;
    subnet.base_ = *base & (~0U << (32 - *bits));
    if (subnet.base_ != *base) {
        return invalid(fmt::format("invalid subnet {}: bits of the host are set, {} is meant?",
                                   go_quote(text), subnet.text()));
    }
    return subnet;
}

std::string Subnet::text() const { return fmt::format("{}/{}", dotted(base_), bits_); }

std::uint32_t Subnet::numbers_max() const { return (1U << (32 - bits_)) - 2; }

Result<std::string> Subnet::address(std::uint32_t number) const {
    if (number == 0 || number > numbers_max()) {
        return invalid(fmt::format("subnet {} has no address number {}", text(), number));
    }
    return dotted(base_ + number);
}

std::string Subnet::bytes(std::uint32_t number) const {
    const std::uint32_t address = base_ + number;
    std::string bytes;
    for (const int shift : {24, 16, 8, 0}) {
        bytes += static_cast<char>(static_cast<unsigned char>((address >> shift) & 255));
    }
    return bytes;
}

Result<std::uint32_t> choose_number(const Subnet& subnet, const std::set<std::uint32_t>& taken) {
    for (std::uint32_t number = 1; number <= subnet.numbers_max(); ++number) {
        if (!taken.contains(number)) { return number; }
    }
    return Error{Errc::Exhausted, "no address is left in " + subnet.text()};
}

std::string mac_of(std::string_view address_bytes) {
    std::string mac = "02:42";
    for (const char byte : address_bytes) {
        mac += fmt::format(":{:02x}", static_cast<unsigned char>(byte));
    }
    return mac;
}

Result<Place> parse_place(std::string_view word) {
    const auto colon = word.find(':');
    if (colon == std::string_view::npos || word.find('/') < colon) {
        if (word.empty()) { return invalid("an empty path"); }
        return Place{"", std::string(word)};
    }
    Place place{std::string(word.substr(0, colon)), std::string(word.substr(colon + 1))};
    TRY(check_name(place.machine));
    if (place.path.empty()) { place.path = "."; }
    return place;
}

} // namespace shoal::machine
