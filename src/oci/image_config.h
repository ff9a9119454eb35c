// The config of an image (OCI image-spec, config.md, with Docker's additions): what to run by
// default, which layers make the root file system, and how it came to be. Plain values. The bytes
// of a config are kept as a blob, since their hash is the image's id; this is what we understand of
// them. JSON is in image_config_codec.h.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "oci/digest.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shoal::oci {

struct EmptyObject {
    bool operator==(const EmptyObject&) const = default;
};
using StringSet = std::map<std::string, EmptyObject>;

struct HealthConfig {
    std::vector<std::string> test; ///< {} inherit, {"NONE"}, {"CMD", ...}, {"CMD-SHELL", text}
    nanoseconds interval{0};
    nanoseconds timeout{0};
    nanoseconds start_period{0};
    nanoseconds start_interval{0};
    int retries = 0;
    bool operator==(const HealthConfig&) const = default;
};

/// The member "config": defaults of containers made from the image. Names as in container::Config.
struct RunConfig {
    std::string user;
    StringSet exposed_ports; ///< "80/tcp"
    std::vector<std::string> env;
    std::vector<std::string> entrypoint;
    std::vector<std::string> cmd;
    std::optional<HealthConfig> healthcheck;
    bool args_escaped = false;
    StringSet volumes;
    std::string working_dir;
    std::vector<std::string> on_build;
    std::map<std::string, std::string> labels;
    std::string stop_signal;
    std::optional<int> stop_timeout; ///< seconds
    std::vector<std::string> shell;
    bool operator==(const RunConfig&) const = default;
};

struct History {
    Instant created;
    std::string created_by;
    std::string author;
    std::string comment;
    bool empty_layer = false;
    bool operator==(const History&) const = default;
};

struct RootFsLayers {
    std::string type = "layers";
    std::vector<Digest> diff_ids; ///< lowest first
    bool operator==(const RootFsLayers&) const = default;
};

struct ImageConfig {
    std::string architecture; ///< "amd64"
    std::string variant;
    std::string os; ///< "linux"
    std::string os_version;
    std::vector<std::string> os_features;
    Instant created;
    std::string author;
    RunConfig config;
    RootFsLayers rootfs;
    std::vector<History> history;
    std::string comment;        ///< Docker's, of commit and import
    std::string docker_version; ///< Docker's: the engine that made it
    bool operator==(const ImageConfig&) const = default;
};

inline constexpr std::size_t layers_max = 128; ///< more lower layers than the kernel mounts well

/// Reads a config of a stranger; unknown members are passed over. Fails: Invalid for wrong types,
/// for a root file system that is not of layers, for more layers than layers_max, and for history
/// that contradicts the layers.
Result<ImageConfig> parse_image_config(std::string_view text);
std::string print_image_config(const ImageConfig& config);

/// The architecture of this program's machine in Go's words: "amd64", "arm64".
std::string_view host_architecture();

} // namespace shoal::oci
