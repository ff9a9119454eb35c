#include "registry/server/browse.h"

#include "base/time.h"
#include "oci/image_config.h"
#include "registry/server/manifest_facts.h"

#include <map>
#include <set>

namespace shoal::registry {
namespace {

constexpr std::size_t config_bytes_max = 1024 * 1024;
constexpr std::size_t children_max = 64; ///< manifests of an index that are looked into

std::string_view kind_of(const ManifestFacts& facts) {
    if (facts.index) { return "index"; }
    return facts.artifact_type.empty() || oci::media::is_config(facts.artifact_type) ? "image"
                                                                                     : "artifact";
}

std::optional<oci::ImageConfig> config_of(const StoredManifest& manifest,
                                          const BrowseSource& source) {
    const auto parsed = oci::parse_manifest(manifest.bytes);
    if (!parsed || !oci::media::is_config(parsed->config.media_type)) { return std::nullopt; }
    const auto bytes = source.blob(parsed->config.digest, config_bytes_max);
    if (!bytes) { return std::nullopt; }
    auto config = oci::parse_image_config(*bytes);
    if (!config) { return std::nullopt; }
    return std::move(*config);
}

std::string platform_of(const oci::ImageConfig& config) {
    oci::Platform platform;
    platform.os = config.os;
    platform.architecture = config.architecture;
    platform.variant = config.variant;
    return oci::platform_text(platform);
}

/// Attestations of a build stand in an index beside the images; their platform is no platform.
bool is_runnable(const oci::Descriptor& child) {
    return child.platform && child.platform->os != "unknown";
}

/// Blobs by digest, so that what several share counts once.
using Sizes = std::map<std::string, std::int64_t>;

void add_blobs(const StoredManifest& manifest, Sizes& into) {
    const auto parsed = oci::parse_manifest(manifest.bytes);
    if (!parsed) { return; }
    into[parsed->config.digest.text()] = parsed->config.size;
    for (const auto& layer : parsed->layers) { into[layer.digest.text()] = layer.size; }
}

std::int64_t sum_of(const Sizes& sizes) {
    std::int64_t sum = 0;
    for (const auto& [digest, size] : sizes) { sum = add_sizes(sum, size); }
    return sum;
}

std::int64_t content_bytes(const StoredManifest& manifest) {
    Sizes sizes;
    add_blobs(manifest, sizes);
    return sum_of(sizes);
}

std::string platform_of(const oci::Descriptor& child) {
    std::string text = oci::platform_text(*child.platform);
    if (!child.platform->os_version.empty()) { text += " " + child.platform->os_version; }
    return text;
}

void summarize_index(const StoredManifest& manifest, const BrowseSource& source, Json& into) {
    into["size"] = nullptr;
    const auto index = oci::parse_index(manifest.bytes);
    if (!index) { return; }
    Sizes sizes;
    bool whole = index->manifests.size() <= children_max;
    std::set<std::string> platforms;
    for (const auto& child : index->manifests) {
        if (is_runnable(child) && platforms.size() < children_max) {
            platforms.insert(platform_of(child));
        }
        const auto stored = whole ? source.manifest(child.digest) : std::nullopt;
        if (stored) { add_blobs(*stored, sizes); }
        whole = whole && stored;
    }
    into["platforms"] = platforms;
    if (whole) { into["size"] = sum_of(sizes); }
}

Json summary_of(const StoredManifest& manifest, const ManifestFacts& facts,
                const BrowseSource& source, const std::optional<oci::ImageConfig>& config) {
    Json summary{{"digest", manifest.digest.text()}, {"mediaType", manifest.media_type},
                 {"kind", kind_of(facts)},           {"size", content_bytes(manifest)},
                 {"platforms", Json::array()},       {"created", ""}};
    if (facts.index) {
        summarize_index(manifest, source, summary);
    } else if (config) {
        summary["platforms"].push_back(platform_of(*config));
        summary["created"] = print_time(config->created);
    }
    return summary;
}

Json print_config(const oci::ImageConfig& image) {
    const oci::RunConfig& run = image.config;
    const auto names = [](const oci::StringSet& set) {
        Json all = Json::array();
        for (const auto& [name, unused] : set) { all.push_back(name); }
        return all;
    };
    return Json{{"author", image.author},
                {"user", run.user},
                {"workingDir", run.working_dir},
                {"entrypoint", run.entrypoint},
                {"cmd", run.cmd},
                {"env", run.env},
                {"ports", names(run.exposed_ports)},
                {"volumes", names(run.volumes)},
                {"labels", run.labels},
                {"stopSignal", run.stop_signal},
                {"healthcheck", run.healthcheck ? Json(run.healthcheck->test) : Json::array()}};
}

/// The steps, each with its layer's place; `steps` of layers gets them the other way round.
Json print_history(const oci::ImageConfig& image, std::vector<std::string>& steps) {
    Json history = Json::array();
    for (const auto& entry : image.history) {
        history.push_back({{"created", print_time(entry.created)},
                           {"createdBy", entry.created_by},
                           {"comment", entry.comment},
                           {"layer", entry.empty_layer ? Json(nullptr) : Json(steps.size())}});
        if (!entry.empty_layer) { steps.push_back(entry.created_by); }
    }
    return history;
}

Json print_layers(const oci::Manifest& manifest, const std::vector<std::string>& steps) {
    Json layers = Json::array();
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        const oci::Descriptor& layer = manifest.layers[i];
        Json entry{{"digest", layer.digest.text()},
                   {"mediaType", layer.media_type},
                   {"size", layer.size},
                   {"createdBy", i < steps.size() ? steps[i] : ""}};
        if (!layer.annotations.empty()) { entry["annotations"] = layer.annotations; }
        layers.push_back(std::move(entry));
    }
    return layers;
}

Json print_children(const oci::Index& index, const BrowseSource& source) {
    Json children = Json::array();
    for (const auto& child : index.manifests) {
        const bool look = children.size() < children_max;
        const auto stored = look ? source.manifest(child.digest) : std::nullopt;
        Json entry{{"digest", child.digest.text()},
                   {"mediaType", child.media_type},
                   {"platform", is_runnable(child) ? platform_of(child) : ""},
                   {"size", stored ? Json(content_bytes(*stored)) : Json(nullptr)}};
        if (!child.annotations.empty()) { entry["annotations"] = child.annotations; }
        children.push_back(std::move(entry));
    }
    return children;
}

} // namespace

std::string print_time(Instant at) { return at == Instant() ? "" : format_rfc3339(at); }

Json summarize_manifest(const StoredManifest& manifest, const BrowseSource& source) {
    const auto facts = read_manifest_facts(manifest.bytes, manifest.media_type);
    const bool image = facts && !facts->index;
    return summary_of(manifest, facts ? *facts : ManifestFacts{}, source,
                      image ? config_of(manifest, source) : std::nullopt);
}

Json describe_manifest(const StoredManifest& manifest, const BrowseSource& source) {
    const auto facts =
        read_manifest_facts(manifest.bytes, manifest.media_type).value_or(ManifestFacts{});
    const auto config = facts.index ? std::nullopt : config_of(manifest, source);
    Json document = summary_of(manifest, facts, source, config);
    document["annotations"] = facts.annotations;
    document["subject"] = facts.subject.empty() ? "" : facts.subject.text();
    const bool artifact = document["kind"] == "artifact";
    document["artifactType"] = artifact || facts.index ? facts.artifact_type : "";
    document["config"] = config ? print_config(*config) : Json(nullptr);
    std::vector<std::string> steps;
    document["history"] = config ? print_history(*config, steps) : Json::array();
    const auto image =
        facts.index ? std::nullopt : std::optional(oci::parse_manifest(manifest.bytes));
    document["layers"] = image && *image ? print_layers(**image, steps) : Json::array();
    const auto index = facts.index ? std::optional(oci::parse_index(manifest.bytes)) : std::nullopt;
    document["manifests"] = index && *index ? print_children(**index, source) : Json::array();
    return document;
}

} // namespace shoal::registry
