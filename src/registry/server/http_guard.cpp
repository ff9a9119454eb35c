#include "registry/server/http_guard.h"

#include "base/text.h"

#include <algorithm>
#include <arpa/inet.h>

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

} // namespace

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
