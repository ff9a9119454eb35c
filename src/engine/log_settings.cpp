#include "engine/log_settings.h"

#include "base/pattern.h"
#include "base/text.h"

#include <algorithm>

namespace shoal::engine {
namespace {

std::string option(const container::StringMap& options, const char* name) {
    const auto found = options.find(name);
    return found == options.end() ? "" : found->second;
}

bool chosen(const std::string& name, const std::vector<std::string>& names,
            const std::string& pattern) {
    if (std::find(names.begin(), names.end(), name) != names.end()) { return true; }
    if (pattern.empty() || name.size() > 256) { return false; }
    const auto parsed = Pattern::parse(pattern);
    return parsed && parsed->found_in(name);
}

} // namespace

container::StringMap log_attributes(const Container& container) {
    const auto& options = container.host_config.log_config.config;
    container::StringMap attributes;
    const auto labels = split(option(options, "labels"), ',');
    for (const auto& [name, value] : container.config.labels) {
        if (chosen(name, labels, option(options, "labels-regex"))) { attributes[name] = value; }
    }
    const auto variables = split(option(options, "env"), ',');
    for (const auto& entry : container.config.env) {
        const auto [name, value] = cut(entry, '=');
        if (chosen(name, variables, option(options, "env-regex"))) { attributes[name] = value; }
    }
    return attributes;
}

std::string expand_log_tag(std::string_view tag, const Container& container) {
    std::string text(tag.empty() ? "{{.ID}}" : tag);
    const std::string image = container.image_id.text();
    const std::pair<const char*, std::string> values[] = {
        {"{{.ID}}", container.id.short_text()}, {"{{.FullID}}", container.id.text()},
        {"{{.Name}}", container.name},          {"{{.ImageName}}", container.config.image},
        {"{{.ImageID}}", image.substr(0, 12)},  {"{{.ImageFullID}}", "sha256:" + image},
        {"{{.DaemonName}}", "docker"},
    };
    for (const auto& [name, value] : values) { text = replace_all(text, name, value); }
    return text;
}

void apply_log_settings(const Container& container, container::ShimConfig& shim) {
    const container::LogConfig& log = container.host_config.log_config;
    shim.log_driver = log.type;
    shim.log_path = container.log_path;
    shim.log_options = log.config;
    shim.container_name = container.name;
    shim.image_name = container.config.image;
    shim.image_id = container.image_id.text();
    shim.log_attributes = log_attributes(container);
    shim.log_tag = expand_log_tag(option(log.config, "tag"), container);
}

} // namespace shoal::engine
