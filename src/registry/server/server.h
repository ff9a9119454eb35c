// `shoald registry serve`: the HTTP face of a registry. It routes, asks Access, calls Store on a
// pool, and answers as the OCI distribution specification has it; beside that health and metrics.
// It owns listeners and their TLS; a process's signals are run_registry()'s.
#pragma once

#include "base/result.h"
#include "registry/client/hosts.h"

#include <string>
#include <vector>

namespace shoal::registry {

/// The program: `args` are those after "registry". "serve [options]", also the maintenance that
/// works on a directory beside a running server: "gc", "du", "verify", "user", "robot". `proxy` is
/// for upstreams of the cache. Gives the exit code.
int run_registry(const std::vector<std::string>& args, const ProxySettings& proxy);

} // namespace shoal::registry
