// Arbitrary bytes as ports, the way people write them (-p, --expose) and the way the API has them:
// what the command line takes the daemon takes too, but for port 0, and numbers stay in their
// range.
#include "cli/ports.h"
#include "container/config_codec.h"
#include "container/ports.h"
#include "require.h"

#include <cctype>
#include <cstdint>
#include <cstdlib>

using namespace shoal;
using namespace shoal::container;

namespace {

/// Thousands of ports take seconds with sanitizers and show nothing new.
bool is_wide(const std::string& text) {
    for (auto dash = text.find('-'); dash != std::string::npos; dash = text.find('-', dash + 1)) {
        auto first = dash;
        while (first > 0 && std::isdigit(static_cast<unsigned char>(text[first - 1])) != 0) {
            --first;
        }
        const auto low = std::strtoul(text.c_str() + first, nullptr, 10);
        const auto high = std::strtoul(text.c_str() + dash + 1, nullptr, 10);
        if (high > low + 500) { return true; }
    }
    return false;
}

void check_command_line(const std::string& text) {
    const auto ports = cli::parse_ports({text}, {});
    if (!ports) {
        REQUIRE(ports.error().code == Errc::Invalid);
    } else {
        const auto bindings = codec::read<PortMap>(ports->bindings, "", codec::Unknown::Refuse);
        REQUIRE(bindings && !bindings->empty());
        if (!bindings->begin()->first.starts_with("0/")) {
            REQUIRE(parse_port_bindings(*bindings).has_value());
        }
    }
    (void)cli::parse_ports({}, {text});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (const auto port = parse_port(text)) {
        REQUIRE(port->number > 0);
        const auto again = parse_port(to_text(*port));
        REQUIRE(again && *again == *port);
    }
    if (const auto range = parse_port_range(text, true)) { REQUIRE(range->first <= range->last); }
    if (const auto exposed = parse_exposed(text)) {
        REQUIRE(!exposed->empty() && exposed->size() <= 65535);
    }
    PortMap map;
    map["80/tcp"].push_back({text, "8080"});
    map[text].push_back({"", text});
    (void)parse_port_bindings(map);
    if (!is_wide(text)) { check_command_line(text); }
    return 0;
}
