#include "registry/server/manifest_facts.h"

#include "base/json.h"

#include <limits>

namespace shoal::registry {
namespace {

constexpr JsonLimits limits{oci::manifest_bytes_max, 32};
constexpr std::size_t entries_max = 10'000;

std::string text_at(const Json& object, const char* key) {
    return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

std::string type_of(const Json& document) {
    const std::string said = text_at(document, "mediaType");
    if (!said.empty()) { return said; }
    return std::string(document.contains("manifests") ? oci::media::oci_index
                                                      : oci::media::oci_manifest);
}

Result<oci::Digest> digest_in(const Json& descriptor, std::string_view what) {
    if (!descriptor.is_object()) { return invalid(std::string(what) + " is no descriptor"); }
    return oci::Digest::parse(text_at(descriptor, "digest")).with(what);
}

bool is_elsewhere(const Json& layer) {
    const std::string type = text_at(layer, "mediaType");
    return type.find("foreign") != std::string::npos ||
           type.find("nondistributable") != std::string::npos;
}

Result<void> read_image(const Json& document, ManifestFacts& facts) {
    if (!document.contains("config")) { return invalid("a manifest without config"); }
    const Json& config = document["config"];
    TRY_LET(digest, digest_in(config, "config"));
    facts.blobs.push_back(digest);
    if (facts.artifact_type.empty()) { facts.artifact_type = text_at(config, "mediaType"); }
    const auto count = [&](const Json& descriptor) {
        if (descriptor.contains("size") && descriptor["size"].is_number_integer()) {
            const auto size = descriptor["size"].get<std::int64_t>();
            facts.content_bytes = add_sizes(facts.content_bytes, size);
        }
    };
    count(config);
    if (!document.contains("layers")) { return ok(); }
    const Json& layers = document["layers"];
    if (!layers.is_array() || layers.size() > entries_max) { return invalid("layers is no list"); }
    for (const auto& layer : layers) {
        TRY_LET(blob, digest_in(layer, "layer"));
        count(layer);
        if (!is_elsewhere(layer)) { facts.blobs.push_back(blob); }
    }
    return ok();
}

Result<void> read_index(const Json& document, ManifestFacts& facts) {
    if (!document.contains("manifests") || !document["manifests"].is_array() ||
        document["manifests"].size() > entries_max) {
        return invalid("an index without its list of manifests");
    }
    for (const auto& entry : document["manifests"]) {
        TRY_LET(digest, digest_in(entry, "manifest"));
        facts.manifests.push_back(digest);
    }
    return ok();
}

} // namespace

std::int64_t add_sizes(std::int64_t sum, std::int64_t size) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    if (size <= 0) { return sum; }
    return sum > most - size ? most : sum + size;
}

Result<ManifestFacts> read_manifest_facts(std::string_view bytes, std::string_view media_type) {
    TRY_LET(document, parse_json(bytes, limits));
    if (!document.is_object()) { return invalid("a manifest is a JSON object"); }
    if (!document.contains("schemaVersion") || document["schemaVersion"] != 2) {
        return invalid("a manifest of schema version 2 is needed");
    }
    ManifestFacts facts;
    facts.media_type = media_type.empty() ? type_of(document) : std::string(media_type);
    const std::string said = text_at(document, "mediaType");
    if (!said.empty() && said != facts.media_type) {
        return invalid("the manifest says of itself that it is " + said + ", not " +
                       facts.media_type);
    }
    facts.index = oci::media::is_index(facts.media_type);
    if (!facts.index && !oci::media::is_manifest(facts.media_type)) {
        return invalid("manifests of the media type " + facts.media_type + " are not supported");
    }
    if (facts.index && (document.contains("layers") || document.contains("config"))) {
        return invalid("an index must not have layers or a config");
    }
    if (!facts.index && document.contains("manifests")) {
        return invalid("an image manifest must not have manifests");
    }
    facts.artifact_type = text_at(document, "artifactType");
    TRY(facts.index ? read_index(document, facts) : read_image(document, facts));
    if (document.contains("subject") && !document["subject"].is_null()) {
        TRY_LET(subject, digest_in(document["subject"], "subject"));
        facts.subject = subject;
    }
    if (document.contains("annotations") && document["annotations"].is_object()) {
        for (const auto& [key, value] : document["annotations"].items()) {
            if (value.is_string()) { facts.annotations[key] = value.get<std::string>(); }
        }
    }
    return facts;
}

std::string media_type_of(std::string_view bytes) {
    const auto document = parse_json(bytes, limits);
    if (!document || !document->is_object()) { return std::string(oci::media::oci_manifest); }
    if (document->contains("schemaVersion") && (*document)["schemaVersion"] == 1) {
        return "application/vnd.docker.distribution.manifest.v1+prettyjws";
    }
    return type_of(*document);
}

} // namespace shoal::registry
