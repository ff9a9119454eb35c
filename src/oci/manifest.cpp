#include "oci/manifest.h"

#include "base/codec.h"
#include "base/text.h"

namespace shoal::oci {

bool media::is_index(std::string_view type) { return type == oci_index || type == docker_index; }
bool media::is_manifest(std::string_view type) {
    return type == oci_manifest || type == docker_manifest;
}
bool media::is_config(std::string_view type) { return type == oci_config || type == docker_config; }

template <class V> void describe(V& v, Platform& p) {
    v("architecture", p.architecture);
    v("os", p.os);
    v("os.version", p.os_version, codec::omit);
    v("os.features", p.os_features, codec::omit);
    v("variant", p.variant, codec::omit);
}

template <class V> void describe(V& v, Descriptor& d) {
    v("mediaType", d.media_type, codec::omit);
    v("digest", d.digest);
    if constexpr (V::reading) {
        v("size", d.size);
    } else {
        v("size", d.size, codec::keep);
    }
    v("annotations", d.annotations, codec::omit);
    v("platform", d.platform, codec::omit);
}

template <class V> void describe(V& v, Manifest& m) {
    v("schemaVersion", m.schema_version);
    v("mediaType", m.media_type, codec::omit);
    v("config", m.config);
    v("layers", m.layers);
    v("annotations", m.annotations, codec::omit);
}

template <class V> void describe(V& v, Index& i) {
    v("schemaVersion", i.schema_version);
    v("mediaType", i.media_type, codec::omit);
    v("manifests", i.manifests);
    v("annotations", i.annotations, codec::omit);
}

namespace {

Result<void> check(const Descriptor& descriptor, const std::string& what) {
    if (descriptor.digest.empty()) { return invalid(what + ": digest is missing"); }
    if (descriptor.size < 0) { return invalid(what + ": size is negative"); }
    return ok();
}

Result<void> check_all(const std::vector<Descriptor>& all, const std::string& what) {
    if (all.size() > index_entries_max) { return invalid(what + ": too many entries"); }
    for (std::size_t i = 0; i < all.size(); ++i) {
        TRY(check(all[i], what + "[" + std::to_string(i) + "]"));
    }
    return ok();
}

Result<void> check_version(int version) {
    if (version == 2) { return ok(); }
    return invalid("schemaVersion: expected 2, got " + std::to_string(version));
}

} // namespace

Result<Manifest> parse_manifest(std::string_view text) {
    if (text.size() > manifest_bytes_max) { return invalid("manifest: too large"); }
    TRY_LET(manifest, codec::parse<Manifest>(text, codec::Unknown::Ignore).with("manifest"));
    TRY(check_version(manifest.schema_version).with("manifest"));
    TRY(check(manifest.config, "manifest: config"));
    TRY(check_all(manifest.layers, "manifest: layers"));
    return std::move(manifest);
}

Result<Index> parse_index(std::string_view text) {
    if (text.size() > manifest_bytes_max) { return invalid("index: too large"); }
    TRY_LET(index, codec::parse<Index>(text, codec::Unknown::Ignore).with("index"));
    TRY(check_version(index.schema_version).with("index"));
    TRY(check_all(index.manifests, "index: manifests"));
    return std::move(index);
}

std::string print_manifest(const Manifest& manifest) { return codec::print(manifest); }
std::string print_index(const Index& index) { return codec::print(index); }

Result<Platform> parse_platform(std::string_view text) {
    if (text.starts_with('{')) {
        return codec::parse<Platform>(text, codec::Unknown::Ignore).with("platform");
    }
    Platform platform;
    if (text.empty()) { return platform; }
    const auto parts = split(text, '/');
    for (const auto& part : parts) {
        const bool clean = !part.empty() && part.front() != '.' && part.size() <= 64 &&
                           std::all_of(part.begin(), part.end(), [](unsigned char c) {
                               return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
                           });
        if (!clean) {
            return invalid("\"" + std::string(text) +
                           "\" is an invalid OS component: invalid platform");
        }
    }
    if (parts.size() > 3) {
        return invalid("\"" + std::string(text) + "\": cannot parse platform specifier");
    }
    platform.os = to_lower(parts[0]);
    if (parts.size() > 1) { platform.architecture = to_lower(parts[1]); }
    if (parts.size() > 2) { platform.variant = to_lower(parts[2]); }
    if (parts.size() == 1 && platform.os != "linux") {
        platform.architecture = std::exchange(platform.os, "linux");
    }
    if (platform.architecture == "x86_64" || platform.architecture == "x86-64") {
        platform.architecture = "amd64";
    }
    if (platform.architecture == "aarch64") { platform.architecture = "arm64"; }
    return platform;
}

std::string platform_text(const Platform& platform) {
    std::string text = platform.os;
    if (!platform.architecture.empty()) { text += "/" + platform.architecture; }
    if (!platform.variant.empty()) { text += "/" + platform.variant; }
    return text;
}

bool satisfies(const Platform& have, const Platform& want) {
    const auto same = [](const std::string& a, const std::string& b) {
        return b.empty() || a == b;
    };
    const auto variant = [](const Platform& p) {
        return p.architecture == "arm64" && p.variant.empty() ? std::string("v8") : p.variant;
    };
    return same(have.os, want.os) && same(have.architecture, want.architecture) &&
           (want.variant.empty() || variant(have) == variant(want));
}

} // namespace shoal::oci
