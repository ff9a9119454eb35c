// For the operator: is it well, and what it counts.
#include "net/pool.h"
#include "os/file.h"
#include "registry/server/http.h"
#include "registry/server/http_call.h"
#include "registry/server/meters.h"

namespace shoal::registry {
namespace {

constexpr auto health_timeout = std::chrono::seconds(10);

net::Task<void> say(net::Exchange& exchange, int status, std::string text) {
    net::Headers headers;
    headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    headers.add("Cache-Control", "no-store");
    auto sent = co_await exchange.respond(status, std::move(headers), text);
    (void)sent;
}

std::string counts(Service& service) {
    service.meters.set_repositories(service.store->repositories("", SIZE_MAX).size());
    return service.meters.text();
}

} // namespace

net::Task<void> answer_health(Service& service, net::Exchange& exchange) {
    const auto check = [store = service.store] { return store->check_writable(); };
    auto writable = co_await service.pool.run_until(check, Deadline::in(health_timeout));
    if (!writable) {
        co_await say(exchange, 503, "storage: " + writable.error().message + "\n");
        co_return;
    }
    co_await say(exchange, 200, "ok\n");
}

net::Task<void> answer_metrics(Service& service, net::Exchange& exchange) {
    auto caller = co_await authenticate(service, exchange.request());
    const bool allowed = caller && service.access->allows(*caller, "", Action::Admin);
    if (allowed) {
        co_await say(exchange, 200, counts(service));
        co_return;
    }
    net::Headers headers;
    headers.add("Content-Type", "text/plain; charset=utf-8");
    const Refusal refusal = caller ? Refusal{caller->identity.anonymous() ? 401 : 403, {}}
                                   : login_refusal_of(caller.error());
    if (refusal.status == 401) {
        headers.add("WWW-Authenticate",
                    print_challenge("Basic", {{"realm", service.access->settings().service}}));
    }
    auto sent =
        co_await exchange.respond(refusal.status, std::move(headers), "for administrators only\n");
    (void)sent;
}

net::Task<void> answer_metrics_request(Service& service, net::Exchange& exchange) {
    const net::RequestHead& request = exchange.request();
    const bool known =
        request.path == "/metrics" && (request.method == "GET" || request.method == "HEAD");
    if (known) {
        co_await say(exchange, 200, counts(service));
        co_return;
    }
    co_await say(exchange, 404, "page not found\n");
}

} // namespace shoal::registry
