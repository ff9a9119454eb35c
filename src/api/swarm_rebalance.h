// POST /shoal/services/{id}/rebalance: spreads a service's tasks evenly over the nodes again, or
// says what would move. Ours; Docker has no such operation.
#pragma once

#include "api/call.h"
#include "swarm/orchestrator/rebalance.h"

#include <vector>

namespace shoal::api {

inline constexpr std::size_t moves_shown_max = 1000;

/// One move after the other until no further one helps, in a copy of what concerns the service.
/// Resources are not looked at; the scheduler may find another node in the end.
std::vector<swarm::Move> plan_moves(const swarm::Store& store, const std::string& service_id);

net::Task<Result<void>> rebalance_service(Call& call);

} // namespace shoal::api
