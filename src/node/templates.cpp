#include "node/templates.h"

#include "base/template.h"
#include "base/text.h"

#include <array>

namespace shoal::node {
namespace {

TemplateOptions options() {
    TemplateOptions out;
    out.typed = true;
    out.type_name = "template.Context";
    out.kind = [](std::string_view name) {
        return name == "Labels" ? GoKind::Map : GoKind::Struct;
    };
    return out;
}

Result<void> expand_text(std::string& text, const Json& data, std::string_view what) {
    if (text.find("{{") == std::string::npos) { return ok(); }
    auto parsed = Template::parse(text);
    if (!parsed) { return std::move(parsed).error().with(what); }
    auto expanded = parsed->execute(data, options());
    if (!expanded) { return std::move(expanded).error().with(what); }
    text = std::move(*expanded);
    return ok();
}

template <class Map> Result<void> expand_values(Map& map, const Json& data, std::string_view what) {
    for (auto& [key, value] : map) { TRY(expand_text(value, data, what)); }
    return ok();
}

Result<void> expand_mount(pb::Mount& mount, const Json& data) {
    TRY(expand_text(*mount.mutable_source(), data, "source of a mount"));
    TRY(expand_text(*mount.mutable_target(), data, "target of a mount"));
    if (!mount.has_volume_options()) { return ok(); }
    auto& volume = *mount.mutable_volume_options();
    TRY(expand_values(*volume.mutable_labels(), data, "label of a volume"));
    if (!volume.has_driver_config()) { return ok(); }
    return expand_values(*volume.mutable_driver_config()->mutable_options(), data,
                         "driver option of a volume");
}

template <class Map> Json json_of(const Map& labels) {
    std::map<std::string, std::string> sorted(labels.begin(), labels.end());
    Json out = Json::object();
    for (const auto& [key, value] : sorted) { out[key] = value; }
    return out;
}

/// Tasks of a global service have no number: their node stands for it.
std::string slot_of(const pb::Task& task) {
    return task.slot() == 0 ? task.node_id() : std::to_string(task.slot());
}

} // namespace

std::string task_name(const pb::Task& task) {
    if (!task.annotations().name().empty()) { return task.annotations().name(); }
    if (task.service_id().empty()) { return task.id(); }
    return task.service_annotations().name() + "." + slot_of(task) + "." + task.id();
}

Json template_data(const pb::Task& task, const NodeFacts& node) {
    Json data = Json::object();
    data["Service"] = Json{{"ID", task.service_id()},
                           {"Name", task.service_annotations().name()},
                           {"Labels", json_of(task.service_annotations().labels())}};
    data["Node"] = Json{{"ID", task.node_id().empty() ? node.id : task.node_id()},
                        {"Hostname", node.hostname},
                        {"Platform", Json{{"Architecture", node.architecture}, {"OS", node.os}}}};
    data["Task"] = Json{{"ID", task.id()}, {"Name", task_name(task)}, {"Slot", slot_of(task)}};
    return data;
}

Result<pb::ContainerSpec> expand(const pb::ContainerSpec& spec, const Json& data) {
    pb::ContainerSpec out = spec;
    TRY(expand_text(*out.mutable_hostname(), data, "hostname"));
    for (auto& variable : *out.mutable_env()) {
        auto [name, value] = cut(variable, '=');
        if (name.size() == variable.size()) { continue; } // no value at all
        TRY(expand_text(value, data, "environment variable " + name));
        variable = name + "=" + value;
    }
    for (auto& mount : *out.mutable_mounts()) { TRY(expand_mount(mount, data)); }
    return out;
}

Result<Payload> expand_payload(std::string_view text, const Json& data,
                               const PayloadSources& sources) {
    constexpr std::array<std::string_view, 3> names{"secret", "config", "env"};
    Payload out;
    auto with = options();
    with.function = [&](std::string_view name, std::span<const Json> given) -> Result<Json> {
        if (given.size() != 1 || !given[0].is_string()) {
            return invalid("want one name as argument");
        }
        const auto wanted = given[0].get<std::string>();
        if (name == "env") { return Json(sources.env(wanted)); }
        out.used_secret |= name == "secret";
        auto bytes = name == "secret" ? sources.secret(wanted) : sources.config(wanted);
        if (!bytes) { return std::move(bytes).error(); }
        return Json(std::move(*bytes));
    };
    TRY_LET(parsed, Template::parse(text, names));
    TRY_LET(bytes, parsed.execute(data, with));
    out.bytes = std::move(bytes);
    return out;
}

} // namespace shoal::node
