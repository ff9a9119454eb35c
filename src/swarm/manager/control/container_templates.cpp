// Placeholders in a container's specification, tried out on a task that does not exist, so that a
// wrong one is an answer to whoever wrote it and not a rejected task on some node.
#include "swarm/manager/control/service_checks.h"

#include "base/template.h"
#include "base/text.h"

#include <algorithm>
#include <optional>

namespace shoal::swarm {
namespace {

constexpr std::size_t placeholder_bytes_max = 64 * 1024;

/// As long as real ones are; of a node only its name can be longer than here.
const std::string example_id(25, '0');

Json example(const pb::ServiceSpec& spec) {
    const auto& name = spec.annotations().name();
    const bool numbered = spec.has_replicated() || spec.has_replicated_job();
    const std::string slot = numbered ? "1" : example_id;
    Json labels = Json::object();
    for (const auto& [key, value] : spec.annotations().labels()) { labels[key] = value; }
    return Json{
        {"Service", {{"ID", example_id}, {"Name", name}, {"Labels", std::move(labels)}}},
        {"Node",
         {{"ID", example_id},
          {"Hostname", "host"},
          {"Platform", {{"Architecture", "x86_64"}, {"OS", "linux"}}}}},
        {"Task",
         {{"ID", example_id}, {"Name", name + "." + slot + "." + example_id}, {"Slot", slot}}}};
}

TemplateOptions options() {
    TemplateOptions made;
    made.type_name = "template.Context";
    made.typed = true;
    made.kind = [](std::string_view name) {
        return name == "Labels" ? GoKind::Map : GoKind::Struct;
    };
    return made;
}

/// What repeats or prints at length is not run here: this is the leader's one thread.
bool may_be_long(std::string_view text) {
    for (const std::string_view word : {"range", "print", "pad", "truncate"}) {
        if (text.find(word) != std::string_view::npos) { return true; }
    }
    return false;
}

bool is_host_name(std::string_view name) {
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_';
    });
}

class TextCheck {
  public:
    explicit TextCheck(const pb::ServiceSpec& spec) : example_(example(spec)) {}

    /// What it becomes on a node; nothing when that is not tried out.
    Result<std::optional<std::string>> expand(const char* place, const std::string& text) const {
        if (text.find("{{") == std::string::npos) { return std::optional(text); }
        if (text.size() > placeholder_bytes_max) {
            return invalid(std::string(place) + ": a text with placeholders is larger than " +
                           std::to_string(placeholder_bytes_max) + " bytes");
        }
        TRY_LET(parsed, Template::parse(text).with(place));
        if (may_be_long(text)) { return std::optional<std::string>(); }
        TRY_LET(expanded, parsed.execute(example_, options()).with(place));
        return std::optional(std::move(expanded));
    }
    Result<void> check(const char* place, const std::string& text) const {
        TRY(expand(place, text));
        return ok();
    }
    Result<void> check_hostname(const std::string& text) const {
        TRY_LET(name, expand("ContainerSpec: hostname", text));
        if (!name) { return ok(); }
        if (!is_host_name(*name)) {
            return invalid("ContainerSpec: invalid hostname format: " + *name);
        }
        if (name->size() <= hostname_bytes_max) { return ok(); }
        return invalid("ContainerSpec: hostname " + go_quote(text) + " becomes longer than " +
                       std::to_string(hostname_bytes_max) + " bytes: " + *name);
    }
    Result<void> check_mount(const pb::Mount& mount) const {
        TRY(check("ContainerSpec: mount source", mount.source()));
        TRY(check("ContainerSpec: mount target", mount.target()));
        for (const auto& [key, value] : mount.volume_options().labels()) {
            TRY(check("ContainerSpec: volume label", value));
        }
        for (const auto& [key, value] : mount.volume_options().driver_config().options()) {
            TRY(check("ContainerSpec: volume driver option", value));
        }
        return ok();
    }

  private:
    Json example_;
};

} // namespace

Result<void> check_templates(const pb::ServiceSpec& spec) {
    const auto& container = spec.task().container();
    const TextCheck text(spec);
    TRY(text.check_hostname(container.hostname()));
    for (const auto& variable : container.env()) {
        TRY(text.check("ContainerSpec: environment", variable));
    }
    for (const auto& mount : container.mounts()) { TRY(text.check_mount(mount)); }
    return ok();
}

} // namespace shoal::swarm
