// The flags about a swarm as a whole, and what they make of its spec. Files named in --external-ca
// are read here; nothing else is touched.
#pragma once

#include "base/json.h"
#include "cli/command.h"

namespace shoal::cli::swarm {

std::span<const Flag> swarm_spec_flags(); ///< of init and update
std::span<const Flag> authority_flags();  ///< of these and of ca: --cert-expiry, --external-ca

/// What the flags say is written into the spec. `ca_certificate` is that of external authorities
/// for which none was named; "" for none.
Result<void> merge_swarm_spec(Json& spec, const Parsed& parsed, const std::string& ca_certificate);
Result<void> merge_authority(Json& spec, const Parsed& parsed, const std::string& ca_certificate);

/// The body of POST /swarm/init and of POST /swarm/join.
Result<Json> init_body(const Parsed& parsed);
Result<Json> join_body(const Parsed& parsed);

Result<void> check_listen_address(std::string_view value);
Result<void> check_pools(std::string_view value);
Result<void> check_uint32(std::string_view value);
Result<void> check_pem_file(std::string_view value);
/// The file's text.
Result<std::string> read_pem(const std::string& file);

} // namespace shoal::cli::swarm
