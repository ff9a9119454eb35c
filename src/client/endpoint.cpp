#include "client/endpoint.h"

#include "base/text.h"

#include <fmt/format.h>

namespace shoal::client {

Result<std::string> parse_host(std::string_view text, bool tls) {
    const std::string host(trim(text));
    const auto bad = [&] { return invalid("invalid bind address format: " + host); };
    if (host.empty()) { return bad(); }
    const std::string port = tls ? "2376" : "2375";
    if (host.starts_with("unix://")) {
        return host == "unix://" ? "unix:///var/run/docker.sock" : host;
    }
    if (host.starts_with("ssh://")) {
        return unsupported(
            "ssh:// hosts are not supported: forward the socket with ssh -L instead");
    }
    if (host.starts_with("npipe://") || host.starts_with("fd://")) { return bad(); }
    std::string address = host;
    for (const std::string_view scheme : {"tcp://", "http://", "https://"}) {
        if (address.starts_with(scheme)) { address.erase(0, scheme.size()); }
    }
    if (address.find("://") != std::string::npos) { return bad(); }
    while (address.ends_with('/')) { address.pop_back(); }
    if (address.empty()) { return "tcp://localhost:" + port; }
    if (address.starts_with(':')) { address = "localhost" + address; }
    const auto bracket = address.rfind(']');
    const auto colon = address.rfind(':');
    if (colon == std::string::npos || (bracket != std::string::npos && colon < bracket)) {
        address += ":" + port;
    }
    const auto number =
        parse_number<std::uint16_t>(std::string_view(address).substr(address.rfind(':') + 1));
    if (!number) { return bad(); }
    return "tcp://" + address;
}

} // namespace shoal::client
