// Opening a session: the client offers its directories, secrets and agents to builds, and from then
// on answers calls on this connection. The daemon is the caller.
#include "api/call.h"
#include "api/daemon.h"
#include "api/router.h"
#include "base/text.h"
#include "buildkit/session.h"

namespace shoal::api {
namespace {

std::vector<std::string> methods_of(const net::Headers& headers) {
    std::vector<std::string> methods;
    for (const auto& [name, value] : headers) {
        if (!equals_ignore_case(name, "X-Docker-Expose-Session-Grpc-Method")) { continue; }
        for (const auto& method : split(value, ',')) { methods.emplace_back(trim(method)); }
    }
    return methods;
}

net::Task<Result<void>> open_session(Call& call) {
    buildkit::Sessions::Offer offer;
    offer.id = call.header("X-Docker-Expose-Session-Uuid");
    offer.name = call.header("X-Docker-Expose-Session-Name");
    offer.shared_key = call.header("X-Docker-Expose-Session-Sharedkey");
    offer.methods = methods_of(call.exchange.request().headers);
    buildkit::Sessions& sessions = call.daemon.sessions;
    CO_TRY(sessions.check(offer));
    CO_TRY_LET(stream, co_await call.upgrade("h2c"));
    const net::Until until(call.gone());
    co_return co_await sessions.run(std::move(stream), std::move(offer), until);
}

} // namespace

void add_build_session_routes(Router& router) {
    router.add("POST", "/session", Right::Build, open_session);
}

} // namespace shoal::api
