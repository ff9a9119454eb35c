// The grammar of ports: "80/tcp" of ExposedPorts and PortBindings, "8000-8010" of HostPort. Pure;
// free ports are found elsewhere, and -p is read by the command line.
#pragma once

#include "base/result.h"
#include "container/config.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shoal::container {

struct Port {
    std::uint16_t number = 0;
    std::string protocol = "tcp"; ///< "tcp", "udp", "sctp"
    auto operator<=>(const Port&) const = default;
};
/// "80", "80/udp"; 1 to 65535.
Result<Port> parse_port(std::string_view text);
std::string to_text(const Port& port); ///< "80/tcp"

struct PortRange {
    std::uint16_t first = 0, last = 0;
    bool operator==(const PortRange&) const = default;
};
/// "80" or "80-90"; "0" is allowed where `zero` says so.
Result<PortRange> parse_port_range(std::string_view text, bool zero = false);
/// "8000-8010/tcp" of ExposedPorts, as single ports.
Result<std::vector<Port>> parse_exposed(std::string_view text);

struct PublishedPort {
    Port container;
    std::string host_ip; ///< "" is every address
    PortRange host;      ///< 0-0: any free port; a range: the first free one
    bool operator==(const PublishedPort&) const = default;
};
/// Every binding of a HostConfig, in order. Fails: Invalid ("invalid port specification: ...").
Result<std::vector<PublishedPort>> parse_port_bindings(const PortMap& bindings);

} // namespace shoal::container
