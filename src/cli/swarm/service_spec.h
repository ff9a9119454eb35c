// Specs of services out of flags: a new one, and one changed. As Docker's command makes them, so
// that nothing is updated that nobody has asked for: lists that the flags do not name stay as they
// are. Pure, but for the files of --env-file and the environment, and for relative paths of mounts.
#pragma once

#include "base/json.h"
#include "cli/command.h"

#include <map>
#include <string>

namespace shoal::cli::swarm {

/// The ids of what flags name; looked up before. See lookups.h.
struct KnownIds {
    std::map<std::string, std::string> networks;         ///< by what was written
    std::map<std::string, std::string> secrets, configs; ///< by name
};

/// Of `service create`; the image is as it was written. Fails with Docker's sentences.
Result<Json> created_spec(const Parsed& parsed, const KnownIds& ids,
                          std::string_view working_directory);
/// Of `service update`, from what the service is.
Result<Json> updated_spec(const Json& old, const Parsed& parsed, const KnownIds& ids,
                          std::string_view working_directory);
/// With so many tasks. Fails: Invalid for global services.
Result<Json> scaled_spec(const Json& old, std::uint64_t replicas);

} // namespace shoal::cli::swarm
