// What a client that asks for a manifest can take, by its Accept headers. Pure.
#pragma once

#include "net/http.h"
#include "oci/manifest.h"

#include <optional>
#include <string_view>

namespace shoal::registry {

struct Acceptance {
    bool anything = true;   ///< no header, or a wildcard
    bool indexes = false;   ///< OCI's or Docker's
    bool manifests = false; ///< likewise
};
Acceptance acceptance_of(const net::Headers& headers);

/// The image that a client gets that asked for a tag and cannot take its index: that of
/// linux/amd64, as the reference registry has it. Nothing when the client takes the index, or takes
/// no manifest either.
std::optional<oci::Digest> stand_in_for_index(const Acceptance& accepts, std::string_view index);

} // namespace shoal::registry
