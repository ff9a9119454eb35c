// Secrets and configs as the Engine API shows and takes them. A secret's data is never shown. Pure.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "swarm/model/object.h"

namespace shoal::api {

/// Fails: Invalid, naming the member.
Result<swarm::pb::SecretSpec> parse_secret_spec(const Json& body);
Result<swarm::pb::ConfigSpec> parse_config_spec(const Json& body);

Json secret_document(const swarm::pb::Secret& secret);
Json config_document(const swarm::pb::Config& config);

} // namespace shoal::api
