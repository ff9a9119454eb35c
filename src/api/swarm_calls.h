// What operations on a cluster share: may this machine answer, read from which store, write through
// whom. Reads are answered by every manager from its own store; everything else only by the leader,
// to whom other managers pass the whole request on.
#pragma once

#include "api/call.h"
#include "api/daemon.h"
#include "api/router.h"
#include "swarm/manager/control/face.h"

#include <functional>
#include <memory>
#include <optional>

namespace shoal::api {

/// Success where the cluster can be looked at and changed. Fails: Unavailable, in the words that
/// clients know for each standing. Pure.
Result<void> check_manager(const swarm::Standing& standing);
/// The machine's standing; that of one outside any swarm where there is no cluster part.
swarm::Standing standing_of(const Call& call);

/// Where a node may begin or join. Fails: Unavailable in a swarm; Unsupported in a daemon without
/// the cluster part.
Result<void> check_outside_swarm(const Call& call);

/// The state to read. Fails: as check_manager, and Internal while a manager has none yet.
Result<const swarm::Store*> cluster_store(const Call& call);

/// `version` of the query. Fails: Invalid, naming `kind` ("service").
Result<std::uint64_t> version_of_query(const Call& call, const char* kind);

net::Until write_until(Call& call);

/// Runs `work` in the leader's transaction and gives what it gave. It may run more than once.
template <class T>
net::Task<Result<T>> write_cluster(Call& call, std::function<Result<T>(swarm::Tx&)> work) {
    auto made = std::make_shared<std::optional<T>>();
    swarm::Mutation mutation = [work = std::move(work), made](swarm::Tx& tx) -> Result<void> {
        auto outcome = work(tx);
        if (!outcome) { return std::move(outcome).error(); }
        *made = std::move(*outcome);
        return ok();
    };
    const auto until = write_until(call);
    CO_TRY(co_await call.daemon.swarm->submit(std::move(mutation), until));
    co_return std::move(made->value());
}
/// The same for work that gives nothing.
net::Task<Result<void>> write_cluster(Call& call, swarm::Mutation work);

/// Passes the request on to the leader and its answer back to the client.
net::Task<Result<void>> forward_to_leader(Call& call);
/// The same for a request whose body has been read.
net::Task<Result<void>> forward_to_leader(Call& call, std::string body);
/// A request of our own to the leader, for its outcome: the error is what the leader answered.
net::Task<Result<void>> ask_leader(Call& call, std::string method, std::string target);
bool is_forwarded(const Call& call);

/// A handler that only the leader runs.
template <Handler handler> net::Task<Result<void>> on_leader(Call& call) {
    CO_TRY(check_manager(standing_of(call)));
    const bool here = call.daemon.swarm->leads();
    if (!here) { co_return co_await forward_to_leader(call); }
    co_return co_await handler(call);
}

void add_node_routes(Router& router);
void add_service_routes(Router& router);
void add_task_routes(Router& router);
void add_secret_routes(Router& router);
void add_swarm_backup_routes(Router& router);

} // namespace shoal::api
