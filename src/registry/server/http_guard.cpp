#include "registry/server/http_guard.h"

#include "base/text.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>

namespace shoal::registry {
namespace {

/// "localhost" of "localhost:5000", "::1" of "[::1]:5000".
std::string name_of_host(std::string_view host) {
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        return end == std::string_view::npos ? "" : std::string(host.substr(1, end - 1));
    }
    return to_lower(host.substr(0, host.rfind(':')));
}

bool names_loopback(const std::string& name) {
    in_addr address{};
    if (::inet_pton(AF_INET, name.c_str(), &address) == 1) {
        return (ntohl(address.s_addr) >> 24) == 127;
    }
    return name == "localhost" || name == "::1";
}

bool is_host_name(std::string_view name) {
    const auto is_letter = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
    };
    return !name.empty() && std::ranges::all_of(name, is_letter);
}

/// "[2001:db8::1]" with its shortest spelling; "" for what is none.
std::string print_v6(const std::string& text) {
    in6_addr address{};
    char shortest[INET6_ADDRSTRLEN] = {};
    if (::inet_pton(AF_INET6, text.c_str(), &address) != 1) { return ""; }
    return "[" + std::string(::inet_ntop(AF_INET6, &address, shortest, sizeof shortest)) + "]";
}

} // namespace

Result<std::string> parse_origin(std::string_view url) {
    const auto bad = [&](std::string_view why) {
        return invalid("\"" + std::string(url) + "\": " + std::string(why));
    };
    const std::string lower = to_lower(url);
    const bool tls = lower.starts_with("https://");
    if (!tls && !lower.starts_with("http://")) { return bad("http:// or https:// is needed"); }
    const std::string scheme = tls ? "https://" : "http://";
    const std::string_view rest = std::string_view(lower).substr(scheme.size());
    if (rest.find_first_of("/?#\\") != std::string_view::npos) {
        return bad("a host and a port are all it may have");
    }
    if (rest.find('@') != std::string_view::npos) { return invalid("an address with a user"); }
    const bool v6 = rest.starts_with('[');
    const std::size_t end = v6 ? rest.find(']') : rest.find(':');
    std::string host(rest.substr(0, end));
    std::string_view port = end == std::string_view::npos ? "" : rest.substr(v6 ? end + 1 : end);
    if (v6) { host = print_v6(host.substr(1)); }
    if (host.empty() || (!v6 && !is_host_name(host)) || (v6 && end == std::string_view::npos)) {
        return bad("its host is neither a name nor an address (other letters: as xn--)");
    }
    if (port.empty()) { return scheme + host; }
    const auto number =
        port.starts_with(':') ? parse_number<std::uint16_t>(port.substr(1)) : std::nullopt;
    if (!number || *number == 0) { return bad("its port is none"); }
    if (*number == (tls ? 443 : 80)) { return scheme + host; }
    return scheme + host + ":" + std::to_string(*number);
}

Result<void> check_approach(const Guard& guard, const net::Headers& headers) {
    const std::string_view site = headers.get_or("Sec-Fetch-Site", "none");
    const std::string_view origin = headers.get_or("Origin", "");
    const bool follows_link = guard.page && headers.get_or("Sec-Fetch-Mode", "") == "navigate";
    const bool foreign_site = site != "none" && site != "same-origin" && !follows_link;
    if (foreign_site || (!origin.empty() && origin != guard.public_url)) {
        return Error{Errc::Forbidden,
                     "requests of other sites' pages are refused; this one is " + guard.public_url};
    }
    if (!guard.open) { return ok(); }
    const std::string name = name_of_host(headers.get_or("Host", "localhost"));
    const auto same = [&](const auto& one) { return equals_ignore_case(one, name); };
    if (names_loopback(name) || std::ranges::any_of(guard.names, same)) { return ok(); }
    return Error{Errc::Forbidden, "a registry without accounts is addressed as localhost, or by a "
                                  "name that it was given with --name"};
}

} // namespace shoal::registry
