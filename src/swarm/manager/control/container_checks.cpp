// What can be said about a container's specification before any node sees it.
#include "swarm/manager/control/service_checks.h"

#include "base/text.h"
#include "oci/reference.h"
#include "swarm/model/constraints.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

namespace shoal::swarm {
namespace {

constexpr nanoseconds health_span_min = std::chrono::milliseconds(1);

Result<void> check_image(const std::string& image) {
    if (image.empty()) { return invalid("ContainerSpec: image reference must be provided"); }
    if (!oci::Reference::parse(image)) {
        return invalid("ContainerSpec: " + go_quote(image) + " is not a valid repository/tag");
    }
    return ok();
}

bool has_placeholder(std::string_view text) { return text.find("{{") != std::string_view::npos; }

/// A path that a placeholder may still complete on the node.
bool may_be_absolute(const std::string& path) {
    return path.starts_with('/') || has_placeholder(path);
}

Result<void> check_mount_kind(const pb::Mount& mount) {
    switch (mount.type()) {
    case pb::Mount::BIND:
        if (!may_be_absolute(mount.source())) {
            return invalid("ContainerSpec: invalid bind mount source, must be an absolute path: " +
                           mount.source());
        }
        return ok();
    case pb::Mount::VOLUME:
        if (mount.source().starts_with('/')) {
            return invalid("ContainerSpec: invalid volume mount source, must not be an absolute "
                           "path: " +
                           mount.source());
        }
        return ok();
    case pb::Mount::TMPFS:
        if (!mount.source().empty()) {
            return invalid("ContainerSpec: invalid tmpfs source, source must be empty");
        }
        return ok();
    case pb::Mount::NPIPE:
        return unsupported("ContainerSpec: mounts of type npipe are for Windows only");
    default:
        return unsupported("ContainerSpec: cluster volumes are not supported");
    }
}

Result<void> check_mounts(const pb::ContainerSpec& container) {
    std::set<std::string> targets;
    for (const auto& mount : container.mounts()) {
        if (!may_be_absolute(mount.target())) {
            return invalid("ContainerSpec: invalid mount target, must be an absolute path: " +
                           mount.target());
        }
        TRY(check_mount_kind(mount));
        if (!targets.insert(mount.target()).second) {
            return invalid("ContainerSpec: duplicate mount point: " + mount.target());
        }
    }
    return ok();
}

Result<void> check_health_span(const char* name, const pb::Duration& span) {
    const auto length = from_duration(span);
    if (length == nanoseconds(0) || length >= health_span_min) { return ok(); }
    return invalid(std::string("ContainerSpec: ") + name +
                   " in HealthConfig cannot be less than one millisecond");
}

Result<void> check_health(const pb::HealthConfig& health) {
    TRY(check_health_span("Interval", health.interval()));
    TRY(check_health_span("Timeout", health.timeout()));
    TRY(check_health_span("StartPeriod", health.start_period()));
    TRY(check_health_span("StartInterval", health.start_interval()));
    if (health.retries() < 0) {
        return invalid("ContainerSpec: Retries in HealthConfig cannot be negative");
    }
    return ok();
}

bool is_file_target(const std::string& name) {
    return !name.empty() && name != "." && name != ".." && name != "/" && !name.ends_with('/');
}

Result<void> add_target(std::map<std::string, std::string>& targets, const char* kind,
                        const std::string& target, const std::string& name) {
    if (!is_file_target(target)) {
        return invalid(std::string("malformed file ") + kind +
                       " reference, invalid target file name provided");
    }
    const auto [place, added] = targets.emplace(target, name);
    if (added) { return ok(); }
    return invalid(std::string(kind) + " references '" + place->second + "' and '" + name +
                   "' have a conflicting target: '" + target + "'");
}

Result<void> check_secret_references(const pb::ContainerSpec& container) {
    std::map<std::string, std::string> targets;
    for (const auto& reference : container.secrets()) {
        if (reference.secret_id().empty() || reference.secret_name().empty()) {
            return invalid("malformed secret reference");
        }
        if (!reference.has_file()) {
            return invalid("malformed secret reference, no target provided");
        }
        TRY(add_target(targets, "secret", reference.file().name(), reference.secret_name()));
    }
    return ok();
}

Result<void> check_config_references(const pb::ContainerSpec& container) {
    std::map<std::string, std::string> targets;
    for (const auto& reference : container.configs()) {
        if (reference.config_id().empty() || reference.config_name().empty()) {
            return invalid("malformed config reference");
        }
        if (reference.has_runtime()) {
            return unsupported("config " + reference.config_name() +
                               ": a runtime target is for Windows only");
        }
        if (!reference.has_file()) {
            return invalid("malformed config reference, no target provided");
        }
        TRY(add_target(targets, "config", reference.file().name(), reference.config_name()));
    }
    return ok();
}

/// Where a file or mount is in the container; "" when only a node can say.
std::string place_of(std::string_view base, const std::string& target) {
    if (has_placeholder(target)) { return ""; }
    const std::string whole = target.starts_with('/') ? target : std::string(base) + target;
    auto place = std::filesystem::path(whole).lexically_normal().string();
    if (place.size() > 1 && place.ends_with('/')) { place.pop_back(); }
    return place;
}

/// Secrets, configs and mounts have the container's one tree of files between them.
Result<void> check_targets(const pb::ContainerSpec& container) {
    std::map<std::string, std::string> taken;
    const auto add = [&taken](const std::string& place, const std::string& who) -> Result<void> {
        if (place.empty()) { return ok(); }
        const auto [held, added] = taken.emplace(place, who);
        if (added) { return ok(); }
        return invalid("ContainerSpec: " + held->second + " and " + who +
                       " have a conflicting target: '" + place + "'");
    };
    for (const auto& mount : container.mounts()) {
        TRY(add(place_of("", mount.target()), "the mount at '" + mount.target() + "'"));
    }
    for (const auto& one : container.secrets()) {
        TRY(add(place_of("/run/secrets/", one.file().name()),
                "secret '" + one.secret_name() + "'"));
    }
    for (const auto& one : container.configs()) {
        TRY(add(place_of("/", one.file().name()), "config '" + one.config_name() + "'"));
    }
    return ok();
}

/// "192.0.2.7 db db.example"; the node puts its own address in the place of host-gateway.
Result<void> check_hosts(const pb::ContainerSpec& container) {
    for (const auto& entry : container.hosts()) {
        std::vector<std::string> words;
        for (auto& word : split(replace_all(entry, "\t", " "), ' ')) {
            if (!word.empty()) { words.push_back(std::move(word)); }
        }
        if (words.size() < 2) {
            return invalid("ContainerSpec: Hosts: " + go_quote(entry) +
                           " is not an address with names");
        }
        const bool address =
            words[0].find('/') == std::string::npos && parse_address_range(words[0]);
        if (words[0] != "host-gateway" && !address) {
            return invalid("ContainerSpec: Hosts: invalid IP address in " + go_quote(entry));
        }
        for (std::size_t i = 1; i < words.size(); ++i) {
            if (words[i].find(':') == std::string::npos) { continue; }
            return invalid("ContainerSpec: Hosts: invalid host name in " + go_quote(entry));
        }
    }
    return ok();
}

bool is_capability_word(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    });
}

Result<void> check_capabilities(const pb::ContainerSpec& container) {
    for (const auto& name : container.capability_add()) {
        if (!is_capability_word(name)) {
            return invalid("invalid CapabilityAdd: unknown capability: " + go_quote(name));
        }
    }
    for (const auto& name : container.capability_drop()) {
        if (!is_capability_word(name)) {
            return invalid("invalid CapabilityDrop: unknown capability: " + go_quote(name));
        }
    }
    return ok();
}

Result<void> check_devices(const pb::ContainerSpec& container) {
    for (const auto& device : container.devices()) {
        if (!device.path_on_host().starts_with('/')) {
            return invalid("ContainerSpec: invalid device, must be an absolute path: " +
                           device.path_on_host());
        }
        if (device.cgroup_permissions().find_first_not_of("rwm") != std::string::npos) {
            return invalid("ContainerSpec: invalid permissions of device " + device.path_on_host() +
                           ": " + device.cgroup_permissions());
        }
    }
    return ok();
}

Result<void> check_privileges(const pb::Privileges& privileges) {
    if (privileges.has_credential_spec()) {
        return unsupported("ContainerSpec: credential specs are for Windows only");
    }
    using Seccomp = pb::Privileges::SeccompOpts;
    const bool custom = privileges.seccomp().mode() == Seccomp::CUSTOM;
    if (custom == privileges.seccomp().profile().empty()) {
        return invalid("ContainerSpec: a seccomp profile and mode \"custom\" need each other");
    }
    return ok();
}

Result<void> check_environment(const pb::ContainerSpec& container) {
    for (const auto& variable : container.env()) {
        if (variable.empty() || variable.starts_with('=')) {
            return invalid("ContainerSpec: invalid environment variable: " + variable);
        }
    }
    return ok();
}

Result<void> check_ulimits(const pb::ContainerSpec& container) {
    for (const auto& limit : container.ulimits()) {
        if (limit.name().empty()) { return invalid("ContainerSpec: a ulimit without a name"); }
        if (limit.hard() != -1 && (limit.soft() == -1 || limit.soft() > limit.hard())) {
            return invalid("ContainerSpec: ulimit " + limit.name() +
                           ": the soft limit is above the hard one");
        }
    }
    return ok();
}

} // namespace

Result<void> check_container_spec(const pb::ContainerSpec& container) {
    TRY(check_image(container.image()));
    TRY(check_mounts(container));
    TRY(check_health(container.healthcheck()));
    TRY(check_secret_references(container));
    TRY(check_config_references(container));
    TRY(check_capabilities(container));
    TRY(check_devices(container));
    TRY(check_privileges(container.privileges()));
    TRY(check_environment(container));
    TRY(check_ulimits(container));
    if (from_duration(container.stop_grace_period()) < nanoseconds(0)) {
        return invalid("ContainerSpec: stop-grace-period cannot be negative");
    }
    if (container.isolation() != pb::ContainerSpec::ISOLATION_DEFAULT) {
        return unsupported("ContainerSpec: isolation is for Windows only");
    }
    if (container.oom_score_adj() < -1000 || container.oom_score_adj() > 1000) {
        return invalid("ContainerSpec: oom-score-adj must be between -1000 and 1000");
    }
    TRY(check_targets(container));
    return check_hosts(container);
}

} // namespace shoal::swarm
