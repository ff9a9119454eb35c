// What nodes and managers may call on a manager, and who may: the one table.
#include "swarm/manager/manager.h"

#include "swarm/dispatcher/health.h"
#include "swarm/manager/methods.h"

namespace shoal::swarm {
namespace {

using JoinHandler = std::function<net::Task<Result<mpb::JoinStoreResponse>>(mpb::JoinStoreRequest,
                                                                            Caller, net::Until)>;
using MemberHandler =
    std::function<net::Task<Result<mpb::MemberResponse>>(mpb::MemberRequest, Caller, net::Until)>;

} // namespace

void Manager::add_services() {
    authority_.add_to(server_);
    dispatcher_.register_with(server_);
    broker_.register_with(server_);
    attachments_.register_with(server_);
    register_health(server_, [this] { return is_in_log(); });
    JoinHandler join = [this](mpb::JoinStoreRequest asked, Caller caller, net::Until until) {
        return membership_.join(std::move(asked), std::move(caller), until);
    };
    server_.add_unary(method_join, Allowed::Managers, Where::Leader, std::move(join));
    MemberHandler promote = [this](mpb::MemberRequest asked, Caller caller, net::Until until) {
        return membership_.promote(std::move(asked), std::move(caller), until);
    };
    server_.add_unary(method_promote, Allowed::Managers, Where::Leader, std::move(promote));
    server_.add(method_tunnel, Allowed::Managers, Where::Leader,
                [this](net::GrpcCall& call, const Caller& caller, net::Until until) {
                    return take_tunnel(&call, caller, until);
                });
}

} // namespace shoal::swarm
