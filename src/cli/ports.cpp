#include "cli/ports.h"

#include "base/text.h"
#include "cli/csv.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include <arpa/inet.h>

namespace shoal::cli {
namespace {

struct Range {
    unsigned first = 0;
    unsigned last = 0;
    unsigned count() const { return last - first + 1; }
};

std::optional<Range> parse_range(std::string_view text) {
    const auto [first, last] = cut(text, '-');
    const auto low = parse_number<std::uint16_t>(first);
    if (!low) { return std::nullopt; }
    if (text.find('-') == std::string_view::npos) { return Range{*low, *low}; }
    const auto high = parse_number<std::uint16_t>(last);
    if (!high || *high < *low) { return std::nullopt; }
    return Range{*low, *high};
}

/// The parts from the back: an IPv6 address at the front has colons of its own.
struct Parts {
    std::string ip, host, container;
};
Parts parts_of(const std::string& text) {
    Parts parts;
    const auto last = text.rfind(':');
    if (last == std::string::npos) {
        parts.container = text;
        return parts;
    }
    parts.container = text.substr(last + 1);
    const std::string front = text.substr(0, last);
    const auto second = front.rfind(':');
    if (second == std::string::npos) {
        parts.host = front;
    } else {
        parts.ip = front.substr(0, second);
        parts.host = front.substr(second + 1);
    }
    return parts;
}

Result<std::string> checked_ip(std::string ip) {
    if (ip.empty()) { return ip; }
    if (ip.starts_with('[') && ip.ends_with(']')) { ip = ip.substr(1, ip.size() - 2); }
    if (!is_ip(ip)) { return invalid("invalid IP address: " + ip); }
    return ip;
}

/// The key=value form as the short form; what is wrong in it shows there.
Result<std::string> short_form(const std::string& text) {
    std::string target, published, protocol = "tcp";
    TRY_LET(fields, parse_csv(text));
    for (const auto& field : fields) {
        const auto [key, value] = cut(field, '=');
        if (key == "target") { target = value; }
        if (key == "published") { published = value; }
        if (key == "protocol") { protocol = value; }
    }
    return fmt::format("{}:{}/{}", published, target, protocol);
}

/// Ports as they are collected: a range may name all 65535, and members of a Json are searched one
/// by one.
struct Found {
    std::map<std::string, Json> exposed, bindings;
};

Result<void> publish_one(const std::string& given, Found& ports) {
    std::string text = given;
    if (text.find('=') != std::string::npos) {
        TRY_LET(plain, short_form(given));
        text = plain;
    }
    auto [front, behind] = cut(text, '/');
    std::string protocol = to_lower(cut(behind, '/').first);
    if (protocol.empty()) { protocol = "tcp"; }
    const Parts parts = parts_of(front);
    TRY_LET(ip, checked_ip(parts.ip));
    if (parts.container.empty()) {
        return invalid(fmt::format("no port specified: {}<empty>", text));
    }
    const auto container = parse_range(parts.container);
    if (!container) { return invalid("invalid containerPort: " + parts.container); }
    std::optional<Range> host;
    if (!parts.host.empty()) {
        host = parse_range(parts.host);
        if (!host) { return invalid("invalid hostPort: " + parts.host); }
        if (host->count() != container->count() && container->count() != 1) {
            return invalid(
                fmt::format("invalid ranges specified for container and host Ports: {} and {}",
                            parts.container, parts.host));
        }
    }
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") {
        return invalid("invalid proto: " + protocol);
    }
    for (unsigned i = 0; i < container->count(); ++i) {
        const std::string key = fmt::format("{}/{}", container->first + i, protocol);
        std::string host_port;
        if (host) {
            host_port =
                host->count() == container->count() ? std::to_string(host->first + i) : parts.host;
        }
        ports.exposed[key] = Json::object();
        ports.bindings[key].push_back(Json{{"HostIp", ip}, {"HostPort", host_port}});
    }
    return ok();
}

Result<void> expose_one(const std::string& text, Found& ports) {
    if (text.find(':') != std::string::npos) {
        return invalid("invalid port format for --expose: " + text);
    }
    auto [numbers, protocol] = cut(text, '/');
    if (text.find('/') == std::string::npos) { protocol = "tcp"; }
    const auto range = parse_range(numbers);
    if (!range) {
        const auto [first, last] = cut(numbers, '-');
        const std::string& wrong = parse_number<std::uint16_t>(first) ? last : first;
        return invalid(fmt::format(
            "invalid range format for --expose: {}, error: strconv.ParseUint: parsing {}: invalid syntax",
            text, go_quote(wrong)));
    }
    for (unsigned port = range->first; port <= range->last; ++port) {
        ports.exposed[fmt::format("{}/{}", port, to_lower(protocol))] = Json::object();
    }
    return ok();
}

} // namespace

bool is_ip(std::string_view text) {
    const std::string copy(text);
    unsigned char buffer[sizeof(in6_addr)];
    return inet_pton(AF_INET, copy.c_str(), buffer) == 1 ||
           inet_pton(AF_INET6, copy.c_str(), buffer) == 1;
}

Result<Ports> parse_ports(const std::vector<std::string>& publish,
                          const std::vector<std::string>& expose) {
    Found found;
    for (const auto& text : publish) { TRY(publish_one(text, found)); }
    for (const auto& text : expose) { TRY(expose_one(text, found)); }
    return Ports{Json(found.exposed), Json(found.bindings)};
}

} // namespace shoal::cli
