// What a manifest of a stranger says about other content: what it needs, what it is about, what
// kind it is. Pure.
#pragma once

#include "base/result.h"
#include "oci/manifest.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::registry {

struct ManifestFacts {
    std::string media_type;
    bool index = false;
    std::vector<oci::Digest> blobs;     ///< config and layers that must be here
    std::vector<oci::Digest> manifests; ///< of an index
    oci::Digest subject;                ///< empty for none
    std::string artifact_type;          ///< artifactType, else the config's media type
    std::map<std::string, std::string> annotations;
    std::int64_t content_bytes = 0; ///< of config and layers, as said: add_sizes()
};

/// `media_type` is what the request said; "" takes what the document says of itself. Fails: Invalid
/// for media types that are not of manifests, for a document that contradicts it, and for what is
/// no manifest.
Result<ManifestFacts> read_manifest_facts(std::string_view bytes, std::string_view media_type);

/// Of sizes that strangers say: what is below 0 is nothing, and the largest number is the most.
std::int64_t add_sizes(std::int64_t sum, std::int64_t size);

/// The media type of a stored manifest, as the reference registry finds it.
std::string media_type_of(std::string_view bytes);

} // namespace shoal::registry
