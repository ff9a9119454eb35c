#include "dockerfile/command_parts.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::dockerfile {
namespace {

constexpr std::size_t exposed_max = 3 * 65535; ///< all ports of three protocols

struct Range {
    unsigned first = 0;
    unsigned last = 0;
};

std::optional<Range> parse_range(std::string_view text) {
    const auto [low, high] = cut(text, '-');
    const auto first = parse_number<std::uint16_t>(low);
    const auto last =
        text.find('-') == std::string_view::npos ? first : parse_number<std::uint16_t>(high);
    if (!first || !last || *first == 0 || *last < *first) { return std::nullopt; }
    return Range{*first, *last};
}

/// "[ip:][host:]container": only the last part means something here.
Result<std::string> container_part(const std::string& word, bool& has_more) {
    const auto parts = split(word, ':');
    has_more = parts.size() > 1;
    if (parts.size() > 1 && !parts[parts.size() - 2].empty() &&
        !parse_range(parts[parts.size() - 2])) {
        return invalid("invalid hostPort: " + parts[parts.size() - 2]);
    }
    return parts.back();
}

Result<void> check_protocol(const std::string& word, const std::string& protocol) {
    const auto lower = to_lower(protocol);
    if (lower == "tcp" || lower == "udp" || lower == "sctp") { return ok(); }
    return invalid("invalid port: " + go_quote(word) + ": invalid proto: " + protocol);
}

} // namespace

Result<std::vector<std::string>> parse_exposed_ports(const std::vector<std::string>& words,
                                                     std::vector<Warning>& warnings, Lines lines) {
    std::vector<std::string> all;
    for (const auto& word : words) {
        bool has_more = false;
        TRY_LET(part, container_part(word, has_more));
        auto [ports, protocol] = cut(part, '/');
        if (protocol.empty()) { protocol = "tcp"; }
        TRY(check_protocol(word, protocol));
        if (protocol != to_lower(protocol)) {
            warnings.push_back(
                {"ExposeProtoCasing",
                 "Defined protocol '" + word + "' in EXPOSE instruction should be lowercase",
                 lines});
        }
        if (has_more) {
            warnings.push_back({"ExposeInvalidFormat",
                                "EXPOSE instruction should not define an IP address or host-port "
                                "mapping, found '" +
                                    word + "'",
                                lines});
        }
        const auto range = parse_range(ports);
        if (!range) { return invalid("invalid containerPort: " + ports); }
        if (all.size() + range->last - range->first >= exposed_max) {
            return invalid("EXPOSE names more ports than there are");
        }
        for (unsigned port = range->first; port <= range->last; ++port) {
            all.push_back(std::to_string(port) + "/" + to_lower(protocol));
        }
    }
    return all;
}

} // namespace shoal::dockerfile
