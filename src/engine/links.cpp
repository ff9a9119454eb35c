#include "engine/links.h"

#include "base/text.h"
#include "container/ports.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::engine {

std::vector<std::string> link_environment(std::string_view owner, std::string_view alias,
                                          const container::Config& linked,
                                          std::string_view address) {
    if (address.empty()) { return {}; }
    const std::string prefix = replace_all(to_upper(alias), "-", "_");
    std::vector<container::Port> ports;
    for (const auto& [text, nothing] : linked.exposed_ports) {
        if (const auto some = container::parse_exposed(text)) {
            ports.insert(ports.end(), some->begin(), some->end());
        }
    }
    std::sort(ports.begin(), ports.end());
    std::vector<std::string> variables;
    if (!ports.empty()) {
        variables.push_back(
            fmt::format("{}_PORT={}://{}:{}", prefix, ports[0].protocol, address, ports[0].number));
    }
    for (const auto& port : ports) {
        const std::string stem =
            fmt::format("{}_PORT_{}_{}", prefix, port.number, to_upper(port.protocol));
        variables.push_back(
            fmt::format("{}={}://{}:{}", stem, port.protocol, address, port.number));
        variables.push_back(fmt::format("{}_ADDR={}", stem, address));
        variables.push_back(fmt::format("{}_PORT={}", stem, port.number));
        variables.push_back(fmt::format("{}_PROTO={}", stem, port.protocol));
    }
    variables.push_back(fmt::format("{}_NAME=/{}/{}", prefix, owner, alias));
    for (const auto& entry : linked.env) {
        const std::string key = cut(entry, '=').first;
        if (key == "HOME" || key == "PATH") { continue; }
        variables.push_back(fmt::format("{}_ENV_{}", prefix, entry));
    }
    return variables;
}

} // namespace shoal::engine
