#include "cli/mounts.h"

#include "base/text.h"
#include "cli/csv.h"

#include <fmt/format.h>

namespace shoal::cli {
namespace {

/// Cleaned and absolute: "./a/../b" in "/w" is "/w/b".
std::string absolute(std::string_view path, std::string_view working_directory) {
    std::string full = path.starts_with('/')
                           ? std::string(path)
                           : std::string(working_directory) + "/" + std::string(path);
    std::vector<std::string> parts;
    for (auto& part : split(full, '/')) {
        if (part.empty() || part == ".") { continue; }
        if (part == "..") {
            if (!parts.empty()) { parts.pop_back(); }
            continue;
        }
        parts.push_back(std::move(part));
    }
    return "/" + join(parts, "/");
}

class MountReader {
  public:
    explicit MountReader(std::string_view working_directory)
        : working_directory_(working_directory) {}

    Result<Json> run(std::string_view text) {
        TRY_LET(fields, parse_csv(text));
        mount_["Type"] = "volume";
        for (const auto& field : fields) { TRY(take(field)); }
        return finish();
    }

  private:
    static Error bad_value(std::string_view key, std::string_view value) {
        return invalid(fmt::format("invalid value for {}: {}", key, value));
    }

    Result<void> take(const std::string& field) {
        auto [key, value] = cut(field, '=');
        const bool has_value = field.find('=') != std::string::npos;
        key = to_lower(key);
        if (!has_value) {
            if (key == "readonly" || key == "ro") {
                mount_["ReadOnly"] = true;
                return ok();
            }
            if (key == "volume-nocopy") {
                volume_["NoCopy"] = true;
                return ok();
            }
            if (key == "bind-nonrecursive") {
                bind_["NonRecursive"] = true;
                return ok();
            }
            return invalid(fmt::format("invalid field '{}' must be a key=value pair", field));
        }
        if (key == "type") {
            mount_["Type"] = to_lower(value);
        } else if (key == "source" || key == "src") {
            source_ = value;
            if (value == "." || value.starts_with("./") || value == ".." ||
                value.starts_with("../")) {
                source_ = absolute(value, working_directory_);
            }
        } else if (key == "target" || key == "dst" || key == "destination") {
            mount_["Target"] = value;
        } else if (key == "readonly" || key == "ro") {
            return boolean(mount_["ReadOnly"], key, value);
        } else if (key == "consistency") {
            mount_["Consistency"] = to_lower(value);
        } else if (key.starts_with("bind-")) {
            return bind(key, value);
        } else if (key.starts_with("volume-")) {
            return volume(key, value);
        } else if (key == "image-subpath") {
            image_["Subpath"] = value;
        } else if (key.starts_with("tmpfs-")) {
            return tmpfs(key, value);
        } else {
            return invalid(fmt::format("unexpected key '{}' in '{}'", key, field));
        }
        return ok();
    }

    Result<void> boolean(Json& into, std::string_view key, const std::string& value) {
        const auto parsed = parse_bool(value);
        if (!parsed) { return bad_value(key, value); }
        into = *parsed;
        return ok();
    }

    Result<void> bind(const std::string& key, const std::string& value) {
        if (key == "bind-propagation") {
            bind_["Propagation"] = to_lower(value);
        } else if (key == "bind-nonrecursive") {
            return boolean(bind_["NonRecursive"], key, value);
        } else if (key == "bind-create-src") {
            return boolean(bind_["CreateMountpoint"], key, value);
        } else if (key == "bind-recursive") {
            if (value == "enabled") { return ok(); }
            if (value == "disabled") {
                bind_["NonRecursive"] = true;
            } else if (value == "writable") {
                bind_["ReadOnlyNonRecursive"] = true;
            } else if (value == "readonly") {
                bind_["ReadOnlyForceRecursive"] = true;
            } else {
                return invalid(fmt::format(
                    "invalid value for {}: {} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")",
                    key, value));
            }
        } else {
            return invalid(fmt::format("unexpected key '{}' in '{}={}'", key, key, value));
        }
        return ok();
    }

    Result<void> volume(const std::string& key, const std::string& value) {
        const auto [name, setting] = cut(value, '=');
        if (key == "volume-nocopy") { return boolean(volume_["NoCopy"], key, value); }
        if (key == "volume-subpath") {
            volume_["Subpath"] = value;
        } else if (key == "volume-label") {
            volume_["Labels"][name] = setting;
        } else if (key == "volume-driver") {
            volume_["DriverConfig"]["Name"] = value;
        } else if (key == "volume-opt") {
            volume_["DriverConfig"]["Options"][name] = setting;
        } else {
            return invalid(fmt::format("unexpected key '{}' in '{}={}'", key, key, value));
        }
        return ok();
    }

    Result<void> tmpfs(const std::string& key, const std::string& value) {
        if (key == "tmpfs-size") {
            const auto size = parse_bytes(value);
            if (!size) { return bad_value(key, value); }
            tmpfs_["SizeBytes"] = *size;
            return ok();
        }
        if (key == "tmpfs-mode") {
            unsigned mode = 0;
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), mode, 8);
            if (error != std::errc{} || end != value.data() + value.size()) {
                return bad_value(key, value);
            }
            tmpfs_["Mode"] = mode;
            return ok();
        }
        return invalid(fmt::format("unexpected key '{}' in '{}={}'", key, key, value));
    }

    Result<Json> finish() {
        const std::string type = mount_["Type"];
        const auto only_for = [&](const Json& options, std::string_view kind) -> Result<void> {
            if (options.empty() || type == kind) { return ok(); }
            return invalid(
                fmt::format("cannot mix '{}-*' options with mount type '{}'", kind, type));
        };
        if (type.empty()) { return invalid("type is required"); }
        if (mount_.value("Target", "").empty()) { return invalid("target is required"); }
        TRY(only_for(volume_, "volume"));
        TRY(only_for(bind_, "bind"));
        TRY(only_for(tmpfs_, "tmpfs"));
        TRY(only_for(image_, "image"));
        const bool read_only = mount_.value("ReadOnly", false);
        if (bind_.value("ReadOnlyNonRecursive", false) && !read_only) {
            return invalid(
                "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction");
        }
        if (bind_.value("ReadOnlyForceRecursive", false)) {
            if (!read_only) {
                return invalid(
                    "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction");
            }
            if (bind_.value("Propagation", "") != "rprivate") {
                return invalid(
                    "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction");
            }
        }
        if (!source_.empty()) { mount_["Source"] = source_; }
        const std::pair<const char*, const Json*> options[] = {{"BindOptions", &bind_},
                                                               {"VolumeOptions", &volume_},
                                                               {"TmpfsOptions", &tmpfs_},
                                                               {"ImageOptions", &image_}};
        for (const auto& [name, value] : options) {
            if (!value->empty()) { mount_[name] = *value; }
        }
        return mount_;
    }

    std::string_view working_directory_;
    Json mount_ = Json::object();
    Json bind_ = Json::object(), volume_ = Json::object(), tmpfs_ = Json::object(),
         image_ = Json::object();
    std::string source_;
};

} // namespace

Result<Json> parse_mount(std::string_view text, std::string_view working_directory) {
    return MountReader(working_directory).run(text);
}

Result<VolumeSpec> parse_volume(std::string_view text, std::string_view working_directory) {
    if (text.empty()) { return invalid("invalid empty volume spec"); }
    VolumeSpec spec;
    if (text.find(':') == std::string_view::npos) {
        spec.anonymous = text;
        return spec;
    }
    auto parts = split(text, ':');
    for (const auto& part : parts) {
        if (part.empty()) {
            return invalid(fmt::format("invalid spec: {}: empty section between colons", text));
        }
    }
    if (parts.size() > 3) {
        return invalid(fmt::format("invalid spec: {}: too many colons", text));
    }
    if (parts[0] == "." || parts[0].starts_with("./") || parts[0] == ".." ||
        parts[0].starts_with("../")) {
        parts[0] = absolute(parts[0], working_directory);
    }
    spec.bind = join(parts, ":");
    return spec;
}

} // namespace shoal::cli
