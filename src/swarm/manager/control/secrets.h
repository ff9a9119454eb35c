// What users may do with secrets and configs: data that services refer to, made once and never
// changed but for their labels. Functions over a transaction; they decide and write, and wait for
// nothing.
#pragma once

#include "swarm/store/store.h"

#include <cstdint>
#include <string>

namespace shoal::swarm {

inline constexpr std::size_t secret_bytes_max = 500 * 1024 - 1;
inline constexpr std::size_t config_bytes_max = 1000 * 1024 - 1;

/// Fails: Invalid for a name or size; Conflict when the name is taken; Unsupported for drivers.
Result<SecretPtr> create_secret(Tx& tx, pb::SecretSpec spec);
Result<ConfigPtr> create_config(Tx& tx, pb::ConfigSpec spec);

/// `id` is a whole id (find() has it). Only labels may differ; data may be left out of `spec`.
/// Fails: Internal "update out of sequence" when the object has another version.
Result<SecretPtr> update_secret(Tx& tx, const std::string& id, std::uint64_t version,
                                const pb::SecretSpec& spec);
Result<ConfigPtr> update_config(Tx& tx, const std::string& id, std::uint64_t version,
                                const pb::ConfigSpec& spec);

/// Fails: Invalid, naming the services that use it.
Result<void> remove_secret(Tx& tx, const std::string& id);
Result<void> remove_config(Tx& tx, const std::string& id);

} // namespace shoal::swarm
