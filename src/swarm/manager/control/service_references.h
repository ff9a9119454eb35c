// What a service's specification says about other objects of the cluster: networks, secrets,
// configs, ports of other services. It reads the store and changes nothing in it.
#pragma once

#include "swarm/store/store.h"

namespace shoal::swarm {

/// Targets of networks, names or beginnings of ids, become ids; networks of the service become
/// those of its tasks. Fails: NotFound "network x not found", Invalid for the ingress network.
Result<void> resolve_networks(const Store& store, pb::ServiceSpec& spec);

/// Secrets and configs are there under the id and the name given, networks under their id.
Result<void> check_references(const Store& store, const pb::ServiceSpec& spec);

/// Fails: Invalid, naming the service that has the port; `own` is not compared with itself. A port
/// published by hosts may be several services', one of the routing mesh is only one's.
Result<void> check_port_conflicts(const Store& store, const pb::ServiceSpec& spec,
                                  const std::string& own);

} // namespace shoal::swarm
