#include "swarm/rpc/refusal_log.h"

#include <arpa/inet.h>

namespace shoal::swarm {
namespace {

constexpr auto others = "others";
constexpr std::size_t prefix_bytes = 8; // a /64 is one site's

std::string line_of(const std::string& source, const std::string& why) {
    return "swarm: refused " + source + ": " + why;
}

std::string line_of(const std::string& source, std::size_t count, const std::string& why) {
    return "swarm: refused " + source + " " + std::to_string(count) +
           (count == 1 ? " more time" : " more times") + ", the last one: " + why;
}

} // namespace

std::string refusal_source(const std::string& address) {
    std::string host = address.substr(0, address.rfind(':'));
    if (host.size() > 2 && host.front() == '[') { host = host.substr(1, host.size() - 2); }
    in6_addr six{};
    if (::inet_pton(AF_INET6, host.c_str(), &six) != 1) { return host; }
    if (IN6_IS_ADDR_V4MAPPED(&six)) { return host; }
    std::fill(std::begin(six.s6_addr) + prefix_bytes, std::end(six.s6_addr), std::uint8_t{0});
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET6, &six, text.data(), text.size());
    return std::string(text.data()) + "/64";
}

std::vector<std::string> RefusalLog::due(Steady now) {
    std::vector<std::string> lines;
    for (auto one = sources_.begin(); one != sources_.end();) {
        Source& source = one->second;
        if (now < source.since + settings_.span) {
            ++one;
        } else if (source.unsaid > 0) {
            lines.push_back(line_of(one->first, source.unsaid, source.why));
            source.since = now;
            source.unsaid = 0;
            ++one;
        } else {
            one = sources_.erase(one);
        }
    }
    return lines;
}

std::vector<std::string> RefusalLog::refused(const std::string& address, const Error& why,
                                             Steady now) {
    std::vector<std::string> lines = due(now);
    std::string name = refusal_source(address);
    if (!sources_.contains(name) && sources_.size() >= settings_.sources_max) { name = others; }
    const auto [found, first] = sources_.try_emplace(name);
    Source& source = found->second;
    if (first) {
        source.since = now;
        lines.push_back(line_of(name == others ? address : name, why.message));
        return lines;
    }
    ++source.unsaid;
    source.why = why.message;
    return lines;
}

} // namespace shoal::swarm
