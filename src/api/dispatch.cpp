#include "api/dispatch.h"

#include "api/audit.h"
#include "api/call.h"
#include "api/daemon.h"
#include "api/errors.h"
#include "api/guard.h"
#include "api/meters.h"
#include "base/text.h"
#include "engine/settings.h"

#include <spdlog/spdlog.h>

namespace shoal::api {
namespace {

Approach approach_of(const net::RequestHead& request) {
    Approach approach;
    approach.tcp = request.tcp;
    approach.certificate = !request.peer_name.empty();
    approach.host = request.headers.get_or("Host", "");
    approach.origin = request.headers.get_or("Origin", "");
    approach.fetch_site = request.headers.get_or("Sec-Fetch-Site", "");
    return approach;
}

std::string who(const net::RequestHead& request) {
    if (!request.peer_name.empty()) { return "cn " + request.peer_name; }
    return request.peer;
}

Error page_not_found() { return {Errc::NotFound, "page not found"}; }

void audit(const Call& call, const std::string& path, const Result<void>& outcome,
           std::chrono::nanoseconds took) {
    if (call.route == nullptr || !is_audited(call.route->right)) { return; }
    const auto& request = call.exchange.request();
    AuditRecord record;
    record.who = who(request);
    record.method = request.method;
    record.path = path;
    record.right = name_of(call.route->right);
    record.object = call.noted();
    record.status = call.status();
    if (!outcome) { record.error = outcome.error().message; }
    record.took = std::chrono::duration_cast<std::chrono::milliseconds>(took);
    spdlog::info(audit_line(record));
}

/// Faults of ours are worth a line even when nothing was changed.
void log_fault(const Call& call, const std::string& path, const Result<void>& outcome) {
    if (outcome || call.status() < 500 || call.status() == 501 || call.status() == 503) { return; }
    spdlog::error("{} {}: {}", call.exchange.request().method, path,
                  redact(outcome.error().message));
}

} // namespace

net::Headers standard_headers(const Daemon& daemon) {
    net::Headers headers;
    headers.add("Api-Version", version_text(api_version_max));
    headers.add("Docker-Experimental", daemon.settings.experimental ? "true" : "false");
    headers.add("Ostype", "linux");
    headers.add("Server", "Docker/" SHOAL_VERSION " (linux)");
    return headers;
}

Result<void> Dispatcher::find_operation(Call& call, std::string& path) {
    const auto& request = call.exchange.request();
    TRY(check_approach(approach_of(request)));
    TRY_LET(decoded, decode_percent(request.path, false));
    path = decoded;
    if (decoded.find('\0') != std::string::npos) { return invalid("a NUL byte in the path"); }
    TRY_LET(split, split_version(decoded, daemon_.settings.min_api_version));
    call.version = split.version;
    call.versioned = split.versioned;
    auto match = router_.find(request.method, split.path);
    // "/networks/" is "/networks": old clients ask so.
    if (match.route == nullptr && split.path.size() > 1 && split.path.ends_with('/')) {
        match = router_.find(request.method, split.path.substr(0, split.path.size() - 1));
    }
    if (match.route == nullptr) { return page_not_found(); }
    call.route = match.route;
    call.set_params(std::move(match.params));
    return ok();
}

net::Task<Result<void>> Dispatcher::run(Call& call) {
    // Nothing may be awaited inside catch: the exception is carried out first.
    std::exception_ptr thrown;
    try {
        auto outcome = co_await call.route->handler(call);
        co_return outcome;
    } catch (...) { thrown = std::current_exception(); }
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& bug) {
        spdlog::critical("{} {}: exception: {}", call.route->method, call.route->pattern,
                         bug.what());
        co_return internal(std::string("internal error: ") + bug.what());
    }
}

net::Task<void> Dispatcher::answer_error(Call& call, Error problem) {
    if (call.begun() || call.exchange.begun()) {
        co_return;
    } // the server breaks the stream: the client sees it
    auto sent = co_await call.error(std::move(problem));
    if (!sent) { spdlog::debug("answer: {}", sent.error().message); }
}

net::Task<void> Dispatcher::answer(net::Exchange& exchange) {
    const auto start = std::chrono::steady_clock::now();
    Call call(daemon_, exchange);
    std::string path(exchange.request().path);
    if (exchange.request().method == "OPTIONS") {
        auto sent = co_await call.empty(200);
        (void)sent;
        co_return;
    }
    auto outcome = find_operation(call, path);
    if (outcome) { outcome = co_await run(call); }
    if (!outcome) { co_await answer_error(call, outcome.error()); }
    const auto took = std::chrono::steady_clock::now() - start;
    daemon_.meters.count_request(exchange.request().method,
                                 call.route == nullptr ? "none" : call.route->pattern,
                                 call.status(), took);
    audit(call, path, outcome, took);
    log_fault(call, path, outcome);
    SPDLOG_DEBUG("{} {} {}", exchange.request().method, path, call.status());
}

} // namespace shoal::api
