// Placeholders in a container's specification, tried out on a task that does not exist, so that a
// wrong one is an answer to whoever wrote it and not a rejected task on some node.
#include "swarm/manager/control/service_checks.h"

#include "base/template.h"

namespace shoal::swarm {
namespace {

constexpr std::size_t placeholder_bytes_max = 64 * 1024;

Json example() {
    return Json{{"Service", {{"ID", "id"}, {"Name", "name"}, {"Labels", Json::object()}}},
                {"Node",
                 {{"ID", "id"},
                  {"Hostname", "host"},
                  {"Platform", {{"Architecture", "x86_64"}, {"OS", "linux"}}}}},
                {"Task", {{"ID", "id"}, {"Name", "name"}, {"Slot", "1"}}}};
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

Result<void> check_text(const char* place, std::string_view text) {
    if (text.find("{{") == std::string_view::npos) { return ok(); }
    if (text.size() > placeholder_bytes_max) {
        return invalid(std::string(place) + ": a text with placeholders is larger than " +
                       std::to_string(placeholder_bytes_max) + " bytes");
    }
    TRY_LET(parsed, Template::parse(text).with(place));
    if (may_be_long(text)) { return ok(); }
    auto tried = parsed.execute(example(), options());
    if (!tried) { return std::move(tried).error().with(place); }
    return ok();
}

Result<void> check_mount(const pb::Mount& mount) {
    TRY(check_text("ContainerSpec: mount source", mount.source()));
    TRY(check_text("ContainerSpec: mount target", mount.target()));
    for (const auto& [key, value] : mount.volume_options().labels()) {
        TRY(check_text("ContainerSpec: volume label", value));
    }
    for (const auto& [key, value] : mount.volume_options().driver_config().options()) {
        TRY(check_text("ContainerSpec: volume driver option", value));
    }
    return ok();
}

} // namespace

Result<void> check_templates(const pb::ContainerSpec& container) {
    TRY(check_text("ContainerSpec: hostname", container.hostname()));
    for (const auto& variable : container.env()) {
        TRY(check_text("ContainerSpec: environment", variable));
    }
    for (const auto& mount : container.mounts()) { TRY(check_mount(mount)); }
    return ok();
}

} // namespace shoal::swarm
