#include "swarm/dispatcher/health.h"

#include "swarm/proto/health.pb.h"

namespace shoal::swarm {
namespace {

namespace pb = docker::swarmkit::v1;

net::Task<Result<pb::HealthCheckResponse>> check(RpcServer* server, bool in_log,
                                                 pb::HealthCheckRequest request) {
    if (request.service() == "Raft") {
        pb::HealthCheckResponse answer;
        answer.set_status(in_log ? pb::HealthCheckResponse::SERVING
                                 : pb::HealthCheckResponse::NOT_SERVING);
        co_return answer;
    }
    bool known = request.service().empty();
    for (const auto& [method, row] : server->rows()) {
        known = known || method.starts_with("/docker.swarmkit.v1." + request.service() + "/");
    }
    if (!known) { co_return Error{Errc::NotFound, "unknown service"}; }
    pb::HealthCheckResponse answer;
    answer.set_status(pb::HealthCheckResponse::SERVING);
    co_return answer;
}

} // namespace

void register_health(RpcServer& server, std::function<bool()> in_log) {
    RpcServer* const all = &server;
    server.add_unary<pb::HealthCheckRequest, pb::HealthCheckResponse>(
        "/docker.swarmkit.v1.Health/Check", Allowed::Managers, Where::Anywhere,
        [all, asked = std::move(in_log)](pb::HealthCheckRequest request, Caller, net::Until) {
            return check(all, asked(), std::move(request));
        });
}

} // namespace shoal::swarm
