#include "engine/proxy_address.h"

namespace shoal::engine {

std::string without_secret(const std::string& address) {
    const auto scheme = address.find("://");
    const auto start = scheme == std::string::npos ? 0 : scheme + 3;
    // The last one: a password may have '@' and '/' in it, though it should not.
    const auto at = address.rfind('@');
    if (at == std::string::npos || at < start) { return address; }
    return address.substr(0, start) + "xxxxx:xxxxx" + address.substr(at);
}

} // namespace shoal::engine
