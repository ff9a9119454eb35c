// One event as GET /events writes it. Pure.
#pragma once

#include "engine/events.h"

#include <string>

namespace shoal::api {

/// A line with line feed. Containers and images carry the old members status, id and from as well:
/// every version we answer (below 1.52) has them.
std::string event_document(const engine::Event& event);

} // namespace shoal::api
