#include "network/types.h"

#include "base/text.h"

namespace shoal::network {

std::string to_text(Protocol protocol) {
    switch (protocol) {
    case Protocol::Udp:
        return "udp";
    case Protocol::Sctp:
        return "sctp";
    case Protocol::Tcp:
        break;
    }
    return "tcp";
}

bool from_text(std::string_view text, Protocol& protocol) {
    for (const auto each : {Protocol::Tcp, Protocol::Udp, Protocol::Sctp}) {
        if (equals_ignore_case(text, to_text(each))) {
            protocol = each;
            return true;
        }
    }
    return false;
}

std::string to_text(const PortKey& key) {
    return std::to_string(key.port) + "/" + to_text(key.protocol);
}

bool from_text(std::string_view text, PortKey& key) {
    const auto [port, protocol] = cut(text, '/');
    const auto number = parse_number<std::uint16_t>(port);
    if (!number || *number == 0) { return false; }
    key.port = *number;
    key.protocol = Protocol::Tcp;
    return text.find('/') == std::string_view::npos || from_text(protocol, key.protocol);
}

} // namespace shoal::network
