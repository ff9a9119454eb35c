// The spec of a node after `node update`. Pure.
#pragma once

#include "base/json.h"
#include "cli/command.h"

namespace shoal::cli::swarm {

/// Fails: Invalid for a label that is to go and is not there.
Result<Json> changed_node_spec(const Json& old, const Parsed& parsed);

} // namespace shoal::cli::swarm
