#include "container/ports.h"

#include "base/text.h"

#include <arpa/inet.h>

namespace shoal::container {
namespace {

Error bad_port(std::string_view text) {
    return invalid("invalid port specification: " + go_quote(text));
}

bool is_protocol(std::string_view text) { return text == "tcp" || text == "udp" || text == "sctp"; }

struct Split {
    PortRange range;
    std::string protocol;
};

/// "8000-8010/tcp"; no protocol is tcp.
Result<Split> split_port(std::string_view text) {
    const auto [number, protocol] = cut(text, '/');
    Split parts;
    parts.protocol = text.find('/') == std::string_view::npos ? "tcp" : to_lower(protocol);
    if (!is_protocol(parts.protocol)) { return invalid("invalid proto: " + protocol); }
    TRY_LET(range, parse_port_range(number));
    parts.range = range;
    return parts;
}

bool is_address(const std::string& text) {
    in6_addr parsed{};
    const int family = text.find(':') == std::string::npos ? AF_INET : AF_INET6;
    return ::inet_pton(family, text.c_str(), &parsed) == 1;
}

} // namespace

std::string to_text(const Port& port) { return std::to_string(port.number) + "/" + port.protocol; }

Result<PortRange> parse_port_range(std::string_view text, bool zero) {
    const auto [low, high] = cut(text, '-');
    const bool is_range = text.find('-') != std::string_view::npos;
    const auto first = parse_number<std::uint16_t>(low);
    const auto last = is_range ? parse_number<std::uint16_t>(high) : first;
    if (!first || !last || *last < *first || (!zero && *first == 0)) { return bad_port(text); }
    return PortRange{*first, *last};
}

Result<Port> parse_port(std::string_view text) {
    TRY_LET(parts, split_port(text));
    if (parts.range.first != parts.range.last) { return bad_port(text); }
    return Port{parts.range.first, parts.protocol};
}

Result<std::vector<Port>> parse_exposed(std::string_view text) {
    TRY_LET(parts, split_port(text));
    std::vector<Port> ports;
    for (int number = parts.range.first; number <= parts.range.last; ++number) {
        ports.push_back({static_cast<std::uint16_t>(number), parts.protocol});
    }
    return ports;
}

Result<std::vector<PublishedPort>> parse_port_bindings(const PortMap& bindings) {
    std::vector<PublishedPort> published;
    for (const auto& [text, hosts] : bindings) {
        TRY_LET(port, parse_port(text));
        // A port with an empty list is published on a free one.
        if (hosts.empty()) { published.push_back({port, "", {}}); }
        for (const auto& host : hosts) {
            PublishedPort one{port, host.host_ip, {}};
            if (!host.host_ip.empty() && !is_address(host.host_ip)) {
                return invalid("invalid IP address: " + host.host_ip);
            }
            if (!host.host_port.empty()) {
                TRY_LET(range, parse_port_range(host.host_port, true));
                one.host = range;
            }
            published.push_back(std::move(one));
        }
    }
    return published;
}

} // namespace shoal::container
