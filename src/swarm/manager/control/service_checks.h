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
/// Of all tasks of one service in the store, where each has the specification again: a quarter of
/// what the store holds.
inline constexpr std::uint64_t service_tasks_bytes_max = std::uint64_t{512} << 20;
inline constexpr std::size_t hostname_bytes_max = 64; ///< Linux's own

/// Fails: Invalid; Unsupported for what no node of ours can do.
Result<void> check_service_spec(const pb::ServiceSpec& spec);
Result<void> check_container_spec(const pb::ContainerSpec& container); ///< container_checks.cpp
/// Placeholders such as {{.Node.Hostname}} in the texts that nodes expand; container_templates.cpp.
Result<void> check_templates(const pb::ServiceSpec& spec);

/// Whether the store has room for the tasks that it asks for, in a cluster of so many nodes.
/// Fails: Invalid.
Result<void> check_room(const pb::ServiceSpec& spec, std::size_t nodes);

/// Fails: Forbidden when `spec` asks for what the cluster's administrator does not let services
/// have: privileged containers, devices, capabilities beyond the default ones, less confinement
/// than the default (seccomp, AppArmor, SELinux).
Result<void> check_policy(const pb::ServiceSpec& spec, const pb::ClusterPolicy& policy);

} // namespace shoal::swarm
