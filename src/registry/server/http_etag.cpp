#include "registry/server/http_etag.h"

#include "base/text.h"

namespace shoal::registry {

std::string etag_of(const oci::Digest& digest) { return '"' + digest.text() + '"'; }

bool matches_etag(std::string_view header, std::string_view etag) {
    if (header.empty()) { return false; }
    if (trim(header) == "*") { return true; }
    const std::string_view bare = etag.substr(1, etag.size() - 2);
    for (const auto& part : split(header, ',')) {
        std::string_view one = trim(part);
        if (one.starts_with("W/")) { one.remove_prefix(2); }
        if (one == etag || one == bare) { return true; }
    }
    return false;
}

} // namespace shoal::registry
