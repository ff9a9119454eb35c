// The small grammars inside flags of `service create` and `service update`: ports, secrets,
// configs, preferences, resources. As the API wants them. Pure; errors are Docker's.
#pragma once

#include "base/json.h"

#include <string>
#include <string_view>
#include <vector>

namespace shoal::cli::swarm {

/// "8080:80/udp", "8000-8002:80-82", or "published=8080,target=80,mode=host": one PortConfig each.
Result<std::vector<Json>> parse_publish(std::string_view text);

/// "name" or "source=name,target=/x,uid=0,gid=0,mode=0400" as a SecretReference without its id.
Result<Json> parse_secret(std::string_view text);
Result<Json> parse_config(std::string_view text); ///< a ConfigReference
/// "spread=node.labels.zone"
Result<Json> parse_preference(std::string_view text);
/// "gpu=2"; values of one kind with names are refused.
Result<std::vector<Json>> parse_generic_resources(const std::vector<std::string>& texts);
/// "config://name", "file://name", "registry://key", or "" for none.
Result<Json> parse_credential_spec(std::string_view text);
/// Words as a shell splits them: quotes, backslashes, comments.
Result<std::vector<std::string>> shell_words(std::string_view text);
/// "1.2.3.4 name" of "name:1.2.3.4".
std::string swarm_host(std::string_view text);

Result<void> check_generic_resource(std::string_view value);
Result<void> check_ratio(std::string_view value);
Result<void> check_positive_duration(std::string_view value);

} // namespace shoal::cli::swarm
