#include "cli/ipam_options.h"

#include "base/text.h"

#include <fmt/format.h>

#include <array>

#include <arpa/inet.h>

namespace shoal::cli {
namespace {

struct Address {
    int family = AF_UNSPEC;
    std::array<unsigned char, 16> bytes{};
};

std::optional<Address> parse_address(const std::string& text) {
    Address address;
    for (const int family : {AF_INET, AF_INET6}) {
        if (inet_pton(family, text.c_str(), address.bytes.data()) == 1) {
            address.family = family;
            return address;
        }
    }
    return std::nullopt;
}

struct Block {
    Address address;
    unsigned bits = 0;
};

Result<Block> parse_block(const std::string& text) {
    const auto [host, length] = cut(text, '/');
    const auto address = parse_address(host);
    const auto bits = parse_number<unsigned>(length);
    if (!address || !bits || *bits > (address->family == AF_INET ? 32u : 128u)) {
        return invalid("invalid CIDR address: " + text);
    }
    return Block{*address, *bits};
}

bool contains(const Block& block, const Address& address) {
    if (block.address.family != address.family) { return false; }
    for (unsigned bit = 0; bit < block.bits; ++bit) {
        const unsigned mask = 0x80u >> (bit % 8);
        if (((block.address.bytes[bit / 8] ^ address.bytes[bit / 8]) & mask) != 0) { return false; }
    }
    return true;
}

/// Does the address, or the block's first one, lie in the subnet?
Result<bool> lies_in(const std::string& subnet, const std::string& text) {
    TRY_LET(block, parse_block(subnet).with("invalid subnet"));
    if (text.find('/') != std::string::npos) {
        TRY_LET(inner, parse_block(text));
        return contains(block, inner.address);
    }
    const auto address = parse_address(text);
    return address && contains(block, *address);
}

/// Puts a range or gateway into the entry of the one subnet it lies in.
struct Member {
    const char* name;
    const char* word;
    const char* words;
    const char* between;
};
Result<void> place(Json& config, const Member& member, const std::string& value) {
    bool found = false;
    for (Json& entry : config) {
        const std::string subnet = entry["Subnet"].get<std::string>();
        TRY_LET(inside, lies_in(subnet, value));
        if (!inside) { continue; }
        if (entry.contains(member.name)) {
            return invalid(fmt::format(
                "cannot configure multiple {} ({}, {}) {} the same subnet ({})", member.words,
                value, entry[member.name].get<std::string>(), member.between, subnet));
        }
        entry[member.name] = value;
        found = true;
    }
    if (!found) { return invalid(fmt::format("no matching subnet for {} {}", member.word, value)); }
    return ok();
}

} // namespace

Result<Json> ipam_config(const IpamOptions& options) {
    const auto count = options.subnets.size();
    if (count < options.ranges.size() || count < options.gateways.size()) {
        return invalid("every ip-range or gateway must have a corresponding subnet");
    }
    Json config = Json::array();
    for (const auto& subnet : options.subnets) {
        for (const Json& other : config) {
            const std::string earlier = other["Subnet"].get<std::string>();
            TRY_LET(inside, lies_in(subnet, earlier));
            TRY_LET(around, lies_in(earlier, subnet));
            if (inside || around) {
                return invalid("multiple overlapping subnet configuration is not supported");
            }
        }
        config.push_back({{"Subnet", subnet}});
    }
    for (const auto& range : options.ranges) {
        TRY(parse_block(range));
        TRY(place(config, {"IPRange", "range", "ranges", "on"}, range));
    }
    for (const auto& gateway : options.gateways) {
        TRY(place(config, {"Gateway", "gateway", "gateways", "for"}, gateway));
    }
    for (const auto& [name, address] : options.auxiliary) {
        bool found = false;
        for (Json& entry : config) {
            TRY_LET(inside, lies_in(entry["Subnet"].get<std::string>(), address));
            if (!inside) { continue; }
            entry["AuxiliaryAddresses"][name] = address;
            found = true;
        }
        if (!found) { return invalid("no matching subnet for aux-address " + address); }
    }
    return config;
}

} // namespace shoal::cli
