// What `service create` and `service update` do around their specs.
#pragma once

#include "cli/app.h"

namespace shoal::cli::swarm {

std::string working_directory();
/// The value of X-Registry-Auth that --with-registry-auth sends; "" without it.
Result<std::string> auth_to_send(App& app, const Parsed& parsed, const std::string& image);
client::Request with_auth(client::Request request, const std::string& auth);
void warn_of_log_options(App& app, const Parsed& parsed);

} // namespace shoal::cli::swarm
