// Objects of a swarm as pages for people: `inspect --pretty`. Pure, but for the present moment in
// ages; without the newline at the end.
#pragma once

#include "base/json.h"

#include <map>
#include <string>

namespace shoal::cli::swarm {

std::string secret_page(const Json& secret);
std::string config_page(const Json& config);
std::string node_page(const Json& node);
/// `networks` are names by id.
std::string service_page(const Json& service, const std::map<std::string, std::string>& networks);

/// The lines of `info` about the swarm, with their newlines.
std::string info_section(const Json& swarm);

} // namespace shoal::cli::swarm
