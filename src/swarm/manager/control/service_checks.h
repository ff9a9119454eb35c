// What can be said about a service's specification by itself, without knowing the cluster: names,
// durations, ratios, sizes, things that exclude each other. Pure; the sentences are those clients
// of Docker know where it has one.
#pragma once

#include "base/result.h"
#include "swarm/model/object.h"

namespace shoal::swarm {

inline constexpr std::int64_t nano_cpus_min = 1'000'000;
inline constexpr std::int64_t memory_bytes_min = 4 * 1024 * 1024;
inline constexpr std::uint64_t replicas_max = 100'000;
inline constexpr std::size_t service_spec_bytes_max = 1'000'000; ///< a transaction has to hold it

/// Fails: Invalid; Unsupported for what no node of ours can do.
Result<void> check_service_spec(const pb::ServiceSpec& spec);
Result<void> check_container_spec(const pb::ContainerSpec& container); ///< container_checks.cpp
/// Placeholders such as {{.Node.Hostname}} in the texts that nodes expand; container_templates.cpp.
Result<void> check_templates(const pb::ContainerSpec& container);

/// Fails: Forbidden when `spec` asks for what the cluster's administrator does not let services
/// have: privileged containers, devices, capabilities beyond the default ones.
Result<void> check_policy(const pb::ServiceSpec& spec, const pb::ClusterPolicy& policy);

} // namespace shoal::swarm
