// What the page shows of manifests: a document for people to look at, made of a manifest and, when
// it is an image's, of its config. Pure, and it takes anything that a stranger may have pushed:
// what it does not understand it leaves out.
#pragma once

#include "base/json.h"
#include "oci/manifest.h"
#include "registry/server/store.h"

#include <functional>
#include <optional>
#include <string>

namespace shoal::registry {

/// Reads further content of the same repository, at most so many bytes; nothing when it is not
/// there.
struct BrowseSource {
    std::function<std::optional<StoredManifest>(const oci::Digest&)> manifest;
    std::function<std::optional<std::string>(const oci::Digest&, std::size_t bytes_max)> blob;
};

/// RFC 3339; "" for no time.
std::string print_time(Instant at);

/// {"digest","mediaType","kind":"image"|"index"|"artifact","size","platforms":["linux/amd64"],
/// "created"}: a line of a list. `size` is that of config and layers, an index's of those of its
/// manifests, what several share counted once; null when not all of them could be looked at.
Json summarize_manifest(const StoredManifest& manifest, const BrowseSource& source);

/// The same with everything: "layers" (lowest first, with the step that made each), "history",
/// "config", "manifests" of an index, "annotations", "subject", "artifactType".
Json describe_manifest(const StoredManifest& manifest, const BrowseSource& source);

} // namespace shoal::registry
