// Entity tags of what is named by a digest (RFC 9110 section 8.8.3).
#pragma once

#include "oci/digest.h"

#include <string>
#include <string_view>

namespace shoal::registry {

std::string etag_of(const oci::Digest& digest); ///< "\"sha256:...\""
/// The value of If-None-Match: a list of tags, weak or bare ones too, or "*".
bool matches_etag(std::string_view header, std::string_view etag);

} // namespace shoal::registry
