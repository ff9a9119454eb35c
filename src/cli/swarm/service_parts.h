// The parts of a service's spec that `create` and `update` write in the same way: what a flag says
// goes into the object that is there, or into the defaults. Pure.
#pragma once

#include "base/json.h"
#include "cli/command.h"
#include "cli/swarm/service_spec.h"

#include <initializer_list>
#include <string_view>

namespace shoal::cli::swarm {

bool any_given(const Parsed& parsed, std::initializer_list<std::string_view> flags);
std::int64_t span_of(const Parsed& parsed, std::string_view flag); ///< nanoseconds

/// UpdateConfig of the "update" flags, RollbackConfig of the "rollback" ones.
void merge_update_configs(Json& spec, const Parsed& parsed);
void merge_restart_policy(Json& task, const Parsed& parsed);
/// NanoCPUs, MemoryBytes, Pids.
void merge_limits(Json& task, const Parsed& parsed);
/// Plain members of the container: user, workdir, tty ...
void merge_process(Json& container, const Parsed& parsed);
Result<void> merge_health(Json& container, const Parsed& parsed);
void merge_log_driver(Json& task, const Parsed& parsed);

Result<std::vector<Json>> publish_of(const Parsed& parsed, std::string_view flag);
Result<std::vector<Json>> mounts_of(const Parsed& parsed, std::string_view flag,
                                    std::string_view working_directory);
/// NetworkAttachmentConfigs; "Target" is the id.
Result<std::vector<Json>> networks_of(const Parsed& parsed, std::string_view flag,
                                      const KnownIds& ids);
Result<std::vector<Json>> secrets_of(const Parsed& parsed, std::string_view flag,
                                     const KnownIds& ids);
/// `credential` is the name of a config that a --credential-spec names, or "".
Result<std::vector<Json>> configs_of(const Parsed& parsed, std::string_view flag,
                                     const std::string& credential, const KnownIds& ids);
Result<std::vector<Json>> preferences_of(const Parsed& parsed, std::string_view flag);
/// By name, the last of a name counts.
Result<std::map<std::string, Json>> ulimits_of(const Parsed& parsed, std::string_view flag);
/// What --credential-spec says; null when it was not given.
Result<Json> credential_of(const Parsed& parsed);

} // namespace shoal::cli::swarm
