// The image of a service, fixed to the digest that its tag means now, so that every node runs the
// same; and the platforms it has, so that tasks go only to nodes that can run it.
#pragma once

#include "cli/app.h"

namespace shoal::cli::swarm {

/// "busybox" as "busybox:latest"; what is no name of an image stays.
std::string tagged_image(std::string_view image);
/// Writes what GET /distribution/{name}/json says into a task template.
void pin_image(Json& task, const Json& distribution);

/// Tags the image of `spec`, and pins it when `ask`. What could not be found out is a warning on
/// standard error, not an error. `auth` is a value of X-Registry-Auth, or "".
enum class Ask { Registry, Nobody };
Result<std::string> resolve_image(client::Client& client, Json& spec, Ask ask,
                                  const std::string& auth);

} // namespace shoal::cli::swarm
