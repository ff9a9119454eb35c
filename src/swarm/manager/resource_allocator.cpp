#include "swarm/manager/resource_allocator.h"

#include "swarm/manager/control/attachments.h"
#include "swarm/manager/methods.h"

namespace shoal::swarm {

void ResourceAllocator::register_with(RpcServer& server) {
    server.add_unary<pb::AttachNetworkRequest, pb::AttachNetworkResponse>(
        method_attach_network, Allowed::Nodes, Where::Leader,
        [this](pb::AttachNetworkRequest request, Caller caller, net::Until until) {
            return attach(std::move(request), std::move(caller), until);
        });
    server.add_unary<pb::DetachNetworkRequest, pb::DetachNetworkResponse>(
        method_detach_network, Allowed::Nodes, Where::Leader,
        [this](pb::DetachNetworkRequest request, Caller caller, net::Until until) {
            return detach(std::move(request), std::move(caller), until);
        });
    server.add_unary<mpb::FindNetworkRequest, mpb::FindNetworkResponse>(
        method_find_network, Allowed::Nodes, Where::Anywhere,
        [this](mpb::FindNetworkRequest request, Caller, net::Until) {
            return find(std::move(request));
        });
}

net::Task<Result<mpb::FindNetworkResponse>>
ResourceAllocator::find(mpb::FindNetworkRequest request) {
    CO_TRY_LET(network, find_attachable(store_, request.network()));
    mpb::FindNetworkResponse answer;
    *answer.mutable_network() = *network;
    co_return answer;
}

/// What the allocator could not give stands in the task since the transaction that made it, and
/// nobody waits for it to become possible. A node that is not ready is waited for.
Result<void> ResourceAllocator::why_not(const std::string& task_id) const {
    const auto task = store_.get<pb::Task>(task_id);
    const bool waits = task && task->status().state() == pb::NEW && !task->status().err().empty();
    return waits ? Result<void>(Error{Errc::Exhausted, task->status().err()}) : ok();
}

net::Task<Result<pb::AttachNetworkResponse>>
ResourceAllocator::attach(pb::AttachNetworkRequest request, Caller caller, net::Until until) {
    const auto id = std::make_shared<std::string>(); // the writing may outlive the waiting
    Mutation work = [id, request = std::move(request), node = caller.node_id](Tx& tx) {
        auto task = attach_network(tx, node, request);
        if (!task) { return Result<void>(std::move(task).error()); }
        *id = (*task)->id();
        return ok();
    };
    CO_TRY(co_await writer_.submit(std::move(work), until));
    const auto refused = why_not(*id);
    if (!refused) {
        Mutation undo = [id, node = caller.node_id](Tx& tx) {
            return detach_network(tx, node, *id);
        };
        (void)co_await writer_.submit(std::move(undo), until);
        co_return refused.error();
    }
    pb::AttachNetworkResponse answer;
    answer.set_attachment_id(*id);
    co_return answer;
}

net::Task<Result<pb::DetachNetworkResponse>>
ResourceAllocator::detach(pb::DetachNetworkRequest request, Caller caller, net::Until until) {
    Mutation work = [id = request.attachment_id(), node = caller.node_id](Tx& tx) {
        return detach_network(tx, node, id);
    };
    CO_TRY(co_await writer_.submit(std::move(work), until));
    co_return pb::DetachNetworkResponse();
}

} // namespace shoal::swarm
