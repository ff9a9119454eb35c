// What GET /info and GET /_ping say about the cluster. Pure.
#pragma once

#include "base/json.h"
#include "swarm/manager/control/face.h"

#include <string>
#include <vector>

namespace shoal::api {

/// The member Swarm of /info; `store` is null unless this machine is a manager that has one.
Json swarm_info_document(const swarm::Standing& standing, const swarm::Store* store);
/// Two managers, and why nothing can be changed at present: lines for Warnings of /info.
std::vector<std::string> swarm_warnings(const swarm::Standing& standing, const swarm::Store* store);
/// The header Swarm of /_ping: "inactive", "active/manager".
std::string swarm_header(const swarm::Standing& standing);

} // namespace shoal::api
