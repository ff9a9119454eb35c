#include "registry/server/http_accept.h"

#include "base/text.h"

namespace shoal::registry {

Acceptance acceptance_of(const net::Headers& headers) {
    Acceptance accepts;
    for (const auto& [name, value] : headers) {
        if (!equals_ignore_case(name, "Accept")) { continue; }
        accepts.anything = false;
        for (const auto& part : split(value, ',')) {
            const std::string type = to_lower(trim(cut(part, ';').first));
            if (type == "*/*" || type == "application/*") { return Acceptance{}; }
            if (oci::media::is_index(type)) { accepts.indexes = true; }
            if (oci::media::is_manifest(type)) { accepts.manifests = true; }
        }
    }
    return accepts;
}

std::optional<oci::Digest> stand_in_for_index(const Acceptance& accepts, std::string_view index) {
    if (accepts.anything || accepts.indexes || !accepts.manifests) { return std::nullopt; }
    const auto parsed = oci::parse_index(index);
    if (!parsed) { return std::nullopt; }
    const oci::Platform want{.architecture = "amd64", .os = "linux"};
    for (const auto& entry : parsed->manifests) {
        if (entry.platform && oci::satisfies(*entry.platform, want)) { return entry.digest; }
    }
    return std::nullopt;
}

} // namespace shoal::registry
