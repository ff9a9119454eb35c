// The grammar of -v: "src:dst:opts" of HostConfig.Binds and "name:ro" of VolumesFrom, and the one
// form that binds, Mounts, Tmpfs and image volumes all end in. Pure; whether a source exists is
// asked elsewhere.
#pragma once

#include "base/result.h"
#include "container/config.h"

#include <string>
#include <string_view>
#include <vector>

namespace shoal::container {

/// One mount point of a container, whichever way it was asked for.
struct MountPoint {
    std::string type; ///< "bind", "volume", "tmpfs", "image"
    std::string
        name; ///< volume name or image reference; "" for an anonymous volume until it has one
    std::string source;      ///< bind: absolute host path
    std::string destination; ///< absolute and clean
    std::string driver;      ///< volume driver; "" is the default
    std::string mode;        ///< the options as given, for inspect
    bool read_only = false;
    std::string propagation; ///< "" or one of rprivate ... ; binds have "rprivate" by default
    bool no_copy = false;    ///< volume: do not fill it from the image
    bool recursive = true;
    bool read_only_non_recursive = false;
    bool read_only_force_recursive = false;
    bool create_source =
        false; ///< bind: make the directory when it is missing (-v does, --mount does not)
    std::string subpath;
    Labels labels; ///< of a volume made on the way
    StringMap driver_options;
    std::vector<std::string> tmpfs_options; ///< "size=64m", "mode=1777", "noexec"
    bool from_binds = false;
    bool operator==(const MountPoint&) const = default;
};

/// "src:dst[:opts]"; also "/dst" alone is refused here, as it belongs in Config.Volumes.
Result<MountPoint> parse_bind(std::string_view text, std::string_view volume_driver = "");
Result<MountPoint> parse_mount(const MountSpec& spec);
/// One member of HostConfig.Tmpfs.
Result<MountPoint> parse_tmpfs(std::string_view target, std::string_view options);
/// One key of Config.Volumes.
Result<MountPoint> parse_anonymous_volume(std::string_view target);

struct VolumesFrom {
    std::string container;
    std::string mode; ///< "" or "ro", "rw", "z", ...
    bool read_only = false;
};
Result<VolumesFrom> parse_volumes_from(std::string_view text);

/// All mount points of a request without VolumesFrom, checked for duplicates: "Duplicate mount
/// point: /x".
Result<std::vector<MountPoint>> plan_mounts(const Config& config, const HostConfig& host_config);

/// Without ".", "..", double and trailing slashes; "/" stays. ("a/../../b" gives "/b" for absolute
/// paths.)
std::string clean_path(std::string_view path);
/// Docker's volume name: [a-zA-Z0-9][a-zA-Z0-9_.-]+ ; Fails with its sentence.
Result<void> validate_volume_name(std::string_view name);

} // namespace shoal::container
