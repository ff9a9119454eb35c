// Server: the daemon's life. It makes the engine's surroundings from settings, listens, answers
// each request through the router with Docker's headers and errors, reloads on SIGHUP and stops on
// SIGTERM. It holds no state of containers.
#pragma once

#include "engine/settings.h"

namespace shoal::api {

/// shoald with these arguments (without the program's name): runs until told to stop and gives the
/// exit status.
int run_daemon(const std::vector<std::string>& args);

} // namespace shoal::api
