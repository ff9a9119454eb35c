// Descriptors, manifests and indexes of the OCI image-spec and of Docker's distribution format,
// which differ in their media types only. Plain values and their JSON; nothing is fetched or
// checked against content here.
#pragma once

#include "base/result.h"
#include "oci/digest.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shoal::oci {

namespace media {
inline constexpr std::string_view oci_index = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view oci_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view oci_config = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view oci_layer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view oci_layer_gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view oci_layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view docker_index =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view docker_manifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view docker_config = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view docker_layer_gzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";
bool is_index(std::string_view type);
bool is_manifest(std::string_view type);
bool is_config(std::string_view type);
} // namespace media

struct Platform {
    std::string architecture;
    std::string os;
    std::string os_version;
    std::vector<std::string> os_features;
    std::string variant;
    bool operator==(const Platform&) const = default;
};

struct Descriptor {
    std::string media_type;
    Digest digest;
    std::int64_t size = 0;
    std::map<std::string, std::string> annotations;
    std::optional<Platform> platform;
    bool operator==(const Descriptor&) const = default;
};

struct Manifest {
    int schema_version = 2;
    std::string media_type;
    Descriptor config;
    std::vector<Descriptor> layers; ///< lowest first
    std::map<std::string, std::string> annotations;
    bool operator==(const Manifest&) const = default;
};

struct Index {
    int schema_version = 2;
    std::string media_type;
    std::vector<Descriptor> manifests;
    std::map<std::string, std::string> annotations;
    bool operator==(const Index&) const = default;
};

inline constexpr std::size_t manifest_bytes_max = 4 * 1024 * 1024;
inline constexpr std::size_t index_entries_max = 1000;

/// Fail: Invalid for wrong types, a schema version other than 2, negative sizes, missing digests,
/// too many entries.
Result<Manifest> parse_manifest(std::string_view text);
Result<Index> parse_index(std::string_view text);
std::string print_manifest(const Manifest& manifest);
std::string print_index(const Index& index);

/// "linux/arm64/v8" or the JSON form {"os":..,"architecture":..}. "" gives an empty platform.
Result<Platform> parse_platform(std::string_view text);
std::string platform_text(const Platform& platform); ///< "linux/arm64/v8"
/// Is an image of `have` what `want` asks for; empty members of `want` allow anything.
bool satisfies(const Platform& have, const Platform& want);

} // namespace shoal::oci
