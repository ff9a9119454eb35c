// Services as rows of `service ls`. Pure.
#pragma once

#include "base/json.h"

#include <set>
#include <string>

namespace shoal::cli::swarm {

Json service_row(const Json& service);
std::string mode_name(const Json& service); ///< "replicated job"
/// "*:8080-8081->80-81/tcp, *:53->53/udp": neighbours together; only what the mesh publishes.
std::string mesh_ports(const Json& ports);

/// For daemons before API 1.41, which do not count: ServiceStatus of services that lack it.
void count_tasks(Json& services, const Json& tasks, const std::set<std::string>& active_nodes);
/// Ids of nodes that are not down.
std::set<std::string> active_nodes(const Json& nodes);

} // namespace shoal::cli::swarm
