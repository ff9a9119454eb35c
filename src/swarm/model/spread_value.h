// The value that a placement preference ("spread over node.labels.zone") divides nodes by. The
// scheduler that places tasks and the rebalancing that moves them read it the same way.
#pragma once

#include "swarm/model/object.h"

#include <string>
#include <string_view>

namespace shoal::swarm {

/// The value that a node has for "node.labels.x" or "engine.labels.x", the words before x in any
/// case; "" when it has none.
std::string spread_value(std::string_view descriptor, const pb::Node& node);

} // namespace shoal::swarm
