// ResourceAllocator: the public protocol's service by which a node gets places on the cluster's
// networks for containers that are no task's; and ours by which it learns what network a user
// means. What may be asked for is control/attachments.h; that the place is ready, the node learns
// as of every task.
#pragma once

#include "swarm/rpc/server.h"
#include "swarm/store/writer.h"

#include "swarm/proto/manager.pb.h"
#include "swarm/proto/resource.pb.h"

namespace shoal::swarm {

namespace mpb = shoal::swarm::v1;

class ResourceAllocator {
  public:
    ResourceAllocator(const Store& store, Writer& writer) : store_(store), writer_(writer) {}
    void register_with(RpcServer& server);

  private:
    net::Task<Result<pb::AttachNetworkResponse>> attach(pb::AttachNetworkRequest request,
                                                        Caller caller, net::Until until);
    net::Task<Result<pb::DetachNetworkResponse>> detach(pb::DetachNetworkRequest request,
                                                        Caller caller, net::Until until);
    net::Task<Result<mpb::FindNetworkResponse>> find(mpb::FindNetworkRequest request);
    Result<void> why_not(const std::string& task_id) const;

    const Store& store_;
    Writer& writer_;
};

} // namespace shoal::swarm
