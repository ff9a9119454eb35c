// The ids of networks, secrets and configs that the flags of a service name.
#pragma once

#include "cli/app.h"
#include "cli/swarm/service_spec.h"

namespace shoal::cli::swarm {

/// Asks only for what the flags name. Fails: a network is not there; what is missing of the others
/// is for created_spec() and updated_spec() to say.
Result<KnownIds> look_up_names(client::Client& client, const Parsed& parsed);

} // namespace shoal::cli::swarm
