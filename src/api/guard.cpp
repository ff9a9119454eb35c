#include "api/guard.h"

#include "base/text.h"

#include <arpa/inet.h>

namespace shoal::api {
namespace {

/// "localhost" of "localhost:2375", "::1" of "[::1]:2375".
std::string name_of_host(const std::string& host) {
    if (!host.starts_with('[')) { return host.substr(0, host.rfind(':')); }
    const auto end = host.find(']');
    if (end == std::string::npos || (end + 1 < host.size() && host[end + 1] != ':')) { return ""; }
    return host.substr(1, end - 1);
}

bool names_loopback(const std::string& host) {
    const auto name = to_lower(name_of_host(host));
    in_addr address{};
    if (inet_pton(AF_INET, name.c_str(), &address) == 1) {
        return (ntohl(address.s_addr) >> 24) == 127;
    }
    return name == "localhost" || name == "::1";
}

Error refused(std::string why) { return {Errc::Forbidden, std::move(why)}; }

} // namespace

Result<void> check_approach(const Approach& approach) {
    if (!approach.tcp) { return ok(); }
    if (!approach.fetch_site.empty() && approach.fetch_site != "none" &&
        approach.fetch_site != "same-origin") {
        return refused("requests of web pages are refused");
    }
    // A client library may name the daemon itself as the origin of a WebSocket; no page has that
    // origin.
    const bool own_origin = approach.origin == "http://" + approach.host ||
                            approach.origin == "https://" + approach.host;
    if (!approach.origin.empty() && !own_origin) {
        return refused("requests of web pages are refused: Origin " + go_quote(approach.origin));
    }
    if (!approach.certificate && !names_loopback(approach.host)) {
        return refused("unexpected Host " + go_quote(approach.host) +
                       ": address the daemon as localhost");
    }
    return ok();
}

} // namespace shoal::api
