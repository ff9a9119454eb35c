// What a container's monitor must know of its log and of legacy links: the driver's options with
// tags expanded, the attributes that "labels" and "env" choose. Pure.
#pragma once

#include "container/shim_protocol.h"
#include "engine/container.h"

namespace shoal::engine {

void apply_log_settings(const Container& container, container::ShimConfig& shim);

/// The labels and environment variables that the log options labels, labels-regex, env and
/// env-regex name.
container::StringMap log_attributes(const Container& container);
/// "{{.Name}}/{{.ID}}" of the option `tag` with the container's values; the default is the short
/// id.
std::string expand_log_tag(std::string_view tag, const Container& container);

} // namespace shoal::engine
