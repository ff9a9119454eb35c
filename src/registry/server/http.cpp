#include "registry/server/http.h"

#include "base/text.h"
#include "registry/protocol/name.h"
#include "registry/server/access_log.h"
#include "registry/server/cache.h"
#include "registry/server/http_call.h"
#include "registry/server/http_guard.h"
#include "registry/server/meters.h"

namespace shoal::registry {
namespace {

/// Who asked and which operation it was: for the logs.
struct Record {
    std::string user;
    std::string_view route = "other";
};

bool is_known(const Service& service, const Access::Caller& caller) {
    return !caller.identity.anonymous() || caller.token_scopes || service.access->settings().open;
}

bool is_allowed(const Service& service, const Call& call) {
    const Need need = call.route().need;
    if (need == Need::Nothing) { return true; }
    const auto action = action_of(need);
    if (!action) { return is_known(service, call.caller()); }
    return service.access->allows(call.caller(), call.name(), *action);
}

net::Task<void> refuse_rights(Call& call) {
    const Access::Caller& caller = call.caller();
    // Who may log in, or come with a token that says more, is told how.
    if (caller.token_scopes) {
        co_await call.challenge("insufficient_scope");
    } else if (caller.identity.anonymous()) {
        co_await call.challenge();
    } else {
        call.audit(call.route().label, call.name(), "denied");
        co_await call.refuse(Code::Denied);
    }
}

net::Task<void> refuse_login(Call& call, Error error) {
    call.service().meters.count_login_failure();
    const Refusal refusal = login_refusal_of(error);
    if (refusal.status == 401) {
        co_await call.challenge("invalid_token");
        co_return;
    }
    std::vector<Problem> problems;
    problems.push_back(refusal.problem);
    co_await call.refuse_all(refusal.status, std::move(problems));
}

net::Task<void> run_operation(Service& service, Call& call, Record& record) {
    auto caller = co_await authenticate(service, call.request());
    if (!caller) {
        co_await refuse_login(call, caller.error());
        co_return;
    }
    record.user = caller->identity.name;
    call.set_caller(std::move(*caller));
    if (!is_allowed(service, call)) {
        co_await refuse_rights(call);
        co_return;
    }
    if (service.cache != nullptr && service.cache->covers(call.name())) {
        if (is_of_page(call.route().resource)) {
            co_await call.refuse(Code::NameUnknown, "what is cached of others is not shown here");
            co_return;
        }
        co_await answer_cached(call);
        co_return;
    }
    const Operation operation = call.route().operation;
    co_await operation(call);
    record.user = call.caller().identity.name; // a log-in by the page is of somebody now
}

net::Task<void> refuse_place(net::Exchange& exchange, Code code, int status, std::string message,
                             std::string allow) {
    net::Headers headers = api_headers();
    headers.add("Content-Type", "application/json; charset=utf-8");
    if (!allow.empty()) { headers.add("Allow", std::move(allow)); }
    const std::string body = print_errors({Problem{code, std::move(message), nullptr}});
    auto sent = co_await exchange.respond(status, std::move(headers), body);
    (void)sent;
}

net::Task<void> answer_api(Service& service, net::Exchange& exchange, Record& record) {
    const net::RequestHead& request = exchange.request();
    auto place = parse_place(request.path);
    if (!place) {
        co_await refuse_place(exchange, Code::NameUnknown, 404, "page not found", "");
        co_return;
    }
    if (is_of_page(place->resource)) {
        place->name = has_name(place->resource) ? param_of(request, "name") : "";
        place->item = param_of(request, "reference");
    }
    if (has_name(place->resource) && !is_repository_name(place->name)) {
        co_await refuse_place(exchange, Code::NameInvalid, 400, "", "");
        co_return;
    }
    const Route* route = find_route(request.method, place->resource);
    if (route == nullptr) {
        const std::string allow = allowed_methods(place->resource);
        co_await refuse_place(exchange, Code::Unsupported, 405, "", allow);
        co_return;
    }
    record.route = route->label;
    Call call(service, exchange, *route, std::move(*place));
    co_await run_operation(service, call, record);
}

Result<void> check_approach_of(const Service& service, const net::RequestHead& request) {
    const bool open = service.access->settings().open;
    const bool is_program =
        !open && !request.headers.has("Origin") && !request.headers.has("Sec-Fetch-Site");
    if (is_program) { return ok(); }
    const Guard guard{open, public_url_of(service, request), service.names, is_page(request.path)};
    return check_approach(guard, request.headers);
}

net::Task<void> answer_part(Service& service, net::Exchange& exchange, Record& record) {
    const auto approach = check_approach_of(service, exchange.request());
    if (!approach) {
        co_await refuse_place(exchange, Code::Denied, 403, approach.error().message, "");
        co_return;
    }
    const std::string& path = exchange.request().path;
    if (path.starts_with("/v2/") || path == "/v2" || path.starts_with("/api/")) {
        co_await answer_api(service, exchange, record);
    } else if (path == "/token") {
        record.route = "token";
        co_await answer_token(service, exchange);
    } else if (is_page(path)) {
        record.route = "page";
        co_await answer_page(service, exchange);
    } else if (path == "/healthz") {
        record.route = "health";
        co_await answer_health(service, exchange);
    } else if (path == "/metrics") {
        record.route = "metrics";
        co_await answer_metrics(service, exchange);
    } else {
        co_await refuse_place(exchange, Code::Unknown, 404, "page not found", "");
    }
}

} // namespace

std::string peer_of(const Service& service, const net::RequestHead& request) {
    if (service.http.trust_forwarded) {
        std::string last = last_forwarded(request.headers, "X-Forwarded-For");
        if (!last.empty()) { return last; }
    }
    std::string_view peer = request.peer;
    if (request.tcp) { peer = peer.substr(0, peer.rfind(':')); }
    return std::string(peer);
}

net::Task<Result<Access::Caller>> authenticate(Service& service, const net::RequestHead& request) {
    // Without users there are no wrong ones: clients send what they have stored for other places.
    if (service.access->settings().open) { co_return Access::Caller{}; }
    std::string authorization(request.headers.get_or("Authorization", ""));
    if (authorization.empty() && request.path.starts_with("/api/")) {
        // An ended session is nobody's: then the page shows what everybody sees, and asks.
        const std::string session = session_of(service, request);
        auto caller = service.access->continue_session(session);
        if (caller || caller.error().code == Errc::Unavailable) { co_return caller; }
        co_return Access::Caller{};
    }
    std::string peer = authorization.empty() ? "" : peer_of(service, request);
    const net::Until until(Deadline::in(service.http.stall_timeout));
    co_return co_await service.access->authenticate(std::move(authorization), std::move(peer),
                                                    until);
}

net::Task<void> answer_request(Service& service, net::Exchange& exchange) {
    const auto begun = std::chrono::steady_clock::now();
    Record record;
    co_await answer_part(service, exchange, record);
    const auto took = std::chrono::steady_clock::now() - begun;
    service.meters.count_request(record.route, exchange.status(), took, exchange.bytes_taken(),
                                 exchange.bytes_sent());
    if (service.access_log == nullptr) { co_return; }
    service.access_log->add(exchange.request(), peer_of(service, exchange.request()), record.user,
                            exchange.status(), exchange.bytes_sent(), took);
}

} // namespace shoal::registry
