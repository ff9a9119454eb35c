#include "container/binds.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace shoal::container {
namespace {

constexpr std::array propagations = {"private", "rprivate", "shared", "rshared", "slave", "rslave"};
constexpr std::array consistencies = {"", "default", "consistent", "cached", "delegated"};

template <class List> bool contains(const List& list, std::string_view text) {
    return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

Error bad_spec(std::string_view text) {
    return invalid("invalid volume specification: '" + std::string(text) + "'");
}
/// What Docker shows of a volume that was asked for without a mode.
constexpr auto volume_mode_default = "z";

Error bad_mode(std::string_view mode) { return invalid("invalid mode: " + std::string(mode)); }
Error bad_mount(const MountSpec& spec, const std::string& why) {
    return invalid("invalid mount config for type \"" + spec.type + "\": " + why);
}

/// The destination in clean form. Fails for a relative one and for "/".
Result<std::string> destination_of(std::string_view text, std::string_view spec) {
    if (!text.starts_with('/')) {
        return bad_spec(spec).with("invalid mount path: '" + std::string(text) +
                                   "' mount path must be absolute");
    }
    std::string clean = clean_path(text);
    if (clean == "/") {
        return invalid("invalid volume specification: '" + std::string(spec) +
                       "': destination can't be '/'");
    }
    return clean;
}

/// The options behind the second colon; each kind at most once.
Result<void> apply_mode(MountPoint& mount, std::string_view mode) {
    bool access = false, label = false, propagation = false, copy = false, consistency = false;
    for (const auto& word : split(mode, ',')) {
        bool* seen = nullptr;
        if (word == "ro" || word == "rw") {
            seen = &access;
            mount.read_only = word == "ro";
        } else if (word == "z" || word == "Z") {
            seen = &label; // relabelling is SELinux's; without it the words have no effect
        } else if (contains(propagations, word)) {
            if (mount.type != "bind") { return bad_mode(mode); }
            seen = &propagation;
            mount.propagation = word;
        } else if (word == "nocopy") {
            if (mount.type != "volume") { return bad_mode(mode); }
            seen = &copy;
            mount.no_copy = true;
        } else if (word == "cached" || word == "delegated" || word == "consistent") {
            seen = &consistency; // of Docker Desktop; Linux is always consistent
        }
        if (seen == nullptr || *seen) { return bad_mode(mode); }
        *seen = true;
    }
    mount.mode = std::string(mode);
    return ok();
}

std::string tmpfs_mode(std::uint32_t mode) {
    std::string digits;
    for (; mode > 0; mode /= 8) {
        digits.insert(digits.begin(), static_cast<char>('0' + mode % 8));
    }
    return "mode=" + digits;
}

Result<void> check_tmpfs_option(const std::string& option) {
    static constexpr std::array flags = {
        "ro",       "rw",         "exec",        "noexec",        "suid",       "nosuid",
        "dev",      "nodev",      "sync",        "async",         "dirsync",    "remount",
        "mand",     "nomand",     "atime",       "noatime",       "diratime",   "nodiratime",
        "relatime", "norelatime", "strictatime", "nostrictatime", "private",    "rprivate",
        "shared",   "rshared",    "slave",       "rslave",        "unbindable", "runbindable",
        "bind",     "rbind"};
    static constexpr std::array keys = {"size",      "mode",      "uid", "gid",
                                        "nr_inodes", "nr_blocks", "mpol"};
    const auto [key, value] = cut(option, '=');
    const bool has_value = option.find('=') != std::string::npos;
    if (has_value ? contains(keys, key) && !value.empty() : contains(flags, key)) { return ok(); }
    return invalid("invalid tmpfs option " + go_quote(option));
}

Result<void> apply_tmpfs(MountPoint& mount, const MountSpec& spec) {
    if (!spec.source.empty()) { return bad_mount(spec, "field Source must not be specified"); }
    if (!spec.tmpfs_options) { return ok(); }
    const TmpfsOptions& options = *spec.tmpfs_options;
    if (options.size_bytes < 0) {
        return bad_mount(spec, "TmpfsOptions.SizeBytes must not be negative");
    }
    if (options.size_bytes > 0) {
        mount.tmpfs_options.push_back("size=" + std::to_string(options.size_bytes));
    }
    if (options.mode > 0) { mount.tmpfs_options.push_back(tmpfs_mode(options.mode)); }
    for (const auto& pair : options.options) {
        std::string option = join(pair, "=");
        TRY(check_tmpfs_option(option));
        mount.tmpfs_options.push_back(std::move(option));
    }
    return ok();
}

Result<void> apply_bind(MountPoint& mount, const MountSpec& spec) {
    if (spec.source.empty()) { return bad_mount(spec, "field Source must not be empty"); }
    if (!spec.source.starts_with('/')) {
        return bad_mount(spec,
                         "invalid mount path: '" + spec.source + "' mount path must be absolute");
    }
    mount.source = clean_path(spec.source);
    mount.propagation = "rprivate";
    if (!spec.bind_options) { return ok(); }
    const BindOptions& options = *spec.bind_options;
    if (!options.propagation.empty()) {
        if (!contains(propagations, options.propagation)) {
            return bad_mount(spec, "invalid propagation mode: " + options.propagation);
        }
        mount.propagation = options.propagation;
    }
    if (options.read_only_non_recursive && options.read_only_force_recursive) {
        return bad_mount(spec,
                         "ReadOnlyNonRecursive and ReadOnlyForceRecursive are mutually exclusive");
    }
    mount.recursive = !options.non_recursive;
    mount.create_source = options.create_mountpoint;
    mount.read_only_non_recursive = options.read_only_non_recursive;
    mount.read_only_force_recursive = options.read_only_force_recursive;
    return ok();
}

Result<void> apply_volume(MountPoint& mount, const MountSpec& spec) {
    if (!spec.source.empty()) { TRY(validate_volume_name(spec.source)); }
    mount.name = spec.source;
    mount.mode = volume_mode_default;
    if (!spec.volume_options) { return ok(); }
    const VolumeOptions& options = *spec.volume_options;
    if (spec.source.empty() && !options.subpath.empty()) {
        return bad_mount(spec, "must not set Subpath when using anonymous volumes");
    }
    mount.no_copy = options.no_copy;
    mount.labels = options.labels;
    mount.subpath = options.subpath;
    if (options.driver_config) {
        mount.driver = options.driver_config->name;
        mount.driver_options = options.driver_config->options;
    }
    return ok();
}

Result<void> refuse_foreign_options(const MountSpec& spec) {
    const auto refuse = [&](bool given, std::string_view kind, const char* name) -> Result<void> {
        if (given && spec.type != kind) {
            return bad_mount(spec, std::string("field ") + name + " must not be specified");
        }
        return ok();
    };
    TRY(refuse(spec.bind_options.has_value(), "bind", "BindOptions"));
    TRY(refuse(spec.volume_options.has_value(), "volume", "VolumeOptions"));
    TRY(refuse(spec.image_options.has_value(), "image", "ImageOptions"));
    return refuse(spec.tmpfs_options.has_value(), "tmpfs", "TmpfsOptions");
}

} // namespace

std::string clean_path(std::string_view path) {
    const bool absolute = path.starts_with('/');
    std::vector<std::string> kept;
    for (auto& part : split(path, '/')) {
        if (part.empty() || part == ".") { continue; }
        if (part != "..") {
            kept.push_back(std::move(part));
        } else if (!kept.empty() && kept.back() != "..") {
            kept.pop_back();
        } else if (!absolute) {
            kept.push_back(std::move(part));
        }
    }
    const std::string joined = join(kept, "/");
    if (absolute) { return "/" + joined; }
    return joined.empty() ? "." : joined;
}

Result<void> validate_volume_name(std::string_view name) {
    const auto word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    const bool good = name.size() >= 2 && name.size() <= 255 && word(name.front()) &&
                      std::all_of(name.begin(), name.end(), [&](char c) {
                          return word(c) || c == '_' || c == '.' || c == '-';
                      });
    if (good) { return ok(); }
    if (name.size() == 1) {
        return invalid(
            "volume name is too short, names should be at least two alphanumeric characters");
    }
    return invalid(
        go_quote(name) +
        " includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. "
        "If you intended to pass a host directory, use absolute path");
}

Result<MountPoint> parse_bind(std::string_view text, std::string_view volume_driver) {
    const auto parts = split(text, ':');
    if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty()) {
        return bad_spec(text);
    }
    MountPoint mount;
    mount.from_binds = true;
    TRY_LET(destination, destination_of(parts[1], text));
    mount.destination = destination;
    if (parts[0].starts_with('/')) {
        mount.type = "bind";
        mount.source = clean_path(parts[0]);
        mount.propagation = "rprivate";
        mount.create_source = true;
    } else {
        mount.type = "volume";
        TRY(validate_volume_name(parts[0]));
        mount.name = parts[0];
        mount.driver = std::string(volume_driver);
    }
    if (parts.size() == 3) { TRY(apply_mode(mount, parts[2])); }
    if (mount.type == "volume" && mount.mode.empty()) { mount.mode = volume_mode_default; }
    return mount;
}

Result<MountPoint> parse_mount(const MountSpec& spec) {
    MountPoint mount;
    mount.type = spec.type;
    mount.read_only = spec.read_only;
    if (spec.type.empty()) { return invalid("mount type must not be empty"); }
    if (spec.target.empty()) { return bad_mount(spec, "field Target must not be empty"); }
    if (!spec.target.starts_with('/')) {
        return bad_mount(spec,
                         "invalid mount path: '" + spec.target + "' mount path must be absolute");
    }
    mount.destination = clean_path(spec.target);
    if (mount.destination == "/") {
        return bad_mount(spec, "invalid specification: destination can't be '/'");
    }
    if (!contains(consistencies, spec.consistency)) {
        return bad_mount(spec, "invalid consistency " + spec.consistency);
    }
    TRY(refuse_foreign_options(spec));
    if (spec.type == "bind") {
        TRY(apply_bind(mount, spec));
    } else if (spec.type == "volume") {
        TRY(apply_volume(mount, spec));
    } else if (spec.type == "tmpfs") {
        TRY(apply_tmpfs(mount, spec));
    } else if (spec.type == "image") {
        if (spec.source.empty()) { return bad_mount(spec, "field Source must not be empty"); }
        mount.source = spec.source;
        mount.read_only = true;
        if (spec.image_options) { mount.subpath = spec.image_options->subpath; }
    } else {
        return invalid("mount type " + go_quote(spec.type) + " is not supported on this platform");
    }
    return mount;
}

Result<MountPoint> parse_tmpfs(std::string_view target, std::string_view options) {
    MountPoint mount;
    mount.type = "tmpfs";
    TRY_LET(destination, destination_of(target, target));
    mount.destination = destination;
    mount.mode = std::string(options);
    // Docker's defaults; what is asked for comes behind and wins.
    mount.tmpfs_options = {"noexec", "nosuid", "nodev"};
    if (options.empty()) { return mount; }
    for (const auto& option : split(options, ',')) {
        TRY(check_tmpfs_option(option));
        for (const char* name : {"exec", "suid", "dev"}) {
            if (option == name) { std::erase(mount.tmpfs_options, std::string("no") + name); }
        }
        if (option == "ro") { mount.read_only = true; }
        if (option != "ro" && option != "rw") { mount.tmpfs_options.push_back(option); }
    }
    return mount;
}

Result<MountPoint> parse_anonymous_volume(std::string_view target) {
    MountPoint mount;
    mount.type = "volume";
    if (target.find(':') != std::string_view::npos) { return bad_spec(target); }
    TRY_LET(destination, destination_of(target, target));
    mount.destination = destination;
    return mount;
}

Result<VolumesFrom> parse_volumes_from(std::string_view text) {
    if (text.empty()) { return invalid("volumes-from specification cannot be an empty string"); }
    VolumesFrom from;
    std::tie(from.container, from.mode) = cut(text, ':');
    if (from.mode.empty()) { return from; }
    MountPoint probe;
    probe.type = "any";
    TRY(apply_mode(probe, from.mode));
    from.read_only = probe.read_only;
    return from;
}

Result<std::vector<MountPoint>> plan_mounts(const Config& config, const HostConfig& host_config) {
    std::vector<MountPoint> mounts;
    const auto taken = [&](const std::string& destination) {
        return std::any_of(mounts.begin(), mounts.end(),
                           [&](const auto& mount) { return mount.destination == destination; });
    };
    const auto add = [&](MountPoint mount) -> Result<void> {
        if (taken(mount.destination)) {
            return invalid("Duplicate mount point: " + mount.destination);
        }
        mounts.push_back(std::move(mount));
        return ok();
    };
    for (const auto& text : host_config.binds) {
        const bool place_only = text.find(':') == std::string::npos; // a volume without a name
        TRY_LET(mount, place_only ? parse_anonymous_volume(text)
                                  : parse_bind(text, host_config.volume_driver));
        TRY(add(std::move(mount)));
    }
    for (const auto& spec : host_config.mounts) {
        TRY_LET(mount, parse_mount(spec));
        TRY(add(std::move(mount)));
    }
    for (const auto& [target, options] : host_config.tmpfs) {
        TRY_LET(mount, parse_tmpfs(target, options));
        TRY(add(std::move(mount)));
    }
    for (const auto& [target, nothing] : config.volumes) {
        TRY_LET(mount, parse_anonymous_volume(target));
        mount.driver = host_config.volume_driver;
        if (!taken(mount.destination)) { mounts.push_back(std::move(mount)); }
    }
    return mounts;
}

} // namespace shoal::container
