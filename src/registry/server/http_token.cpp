// The token service: GET /token with Basic credentials or none, and the form that OAuth 2 has for
// it (POST with grant_type=password). It gives no refresh tokens, so nobody has one to bring.
#include "base/text.h"
#include "registry/server/http.h"
#include "registry/server/http_call.h"
#include "registry/server/meters.h"

namespace shoal::registry {
namespace {

constexpr std::size_t form_bytes_max = 64 * 1024;
constexpr std::size_t scopes_max = 64;

net::Headers token_headers() {
    net::Headers headers;
    headers.add("Content-Type", "application/json; charset=utf-8");
    headers.add("Cache-Control", "no-store");
    return headers;
}

net::Task<void> refuse_login(Service& service, net::Exchange& exchange, Error error) {
    const Refusal refusal = login_refusal_of(error);
    net::Headers headers = token_headers();
    if (refusal.status == 401) {
        headers.add("WWW-Authenticate",
                    print_challenge("Basic", {{"realm", service.access->settings().service}}));
    }
    if (refusal.status == 429) { headers.add("Retry-After", "5"); }
    const std::string body = print_errors({refusal.problem});
    auto sent = co_await exchange.respond(refusal.status, std::move(headers), body);
    (void)sent;
}

/// The error document of OAuth 2 (RFC 6749 section 5.2).
net::Task<void> refuse_grant(net::Exchange& exchange, std::string error, std::string description) {
    const std::string body =
        dump_json(Json{{"error", error}, {"error_description", description}}) + "\n";
    auto sent = co_await exchange.respond(400, token_headers(), body);
    (void)sent;
}

/// Each parameter may hold several, separated by spaces.
Result<std::vector<Scope>> scopes_of(const std::vector<std::string>& texts) {
    std::vector<Scope> all;
    for (const auto& text : texts) {
        TRY_LET(some, parse_scopes(text));
        for (auto& scope : some) { all.push_back(std::move(scope)); }
        if (all.size() > scopes_max) { return invalid("too many scopes"); }
    }
    return all;
}

net::Task<void> give_token(Service& service, net::Exchange& exchange, std::string authorization,
                           std::vector<std::string> scope_texts) {
    auto scopes = scopes_of(scope_texts);
    if (!scopes) {
        co_await refuse_grant(exchange, "invalid_scope", scopes.error().message);
        co_return;
    }
    net::Until until(exchange.gone());
    const std::string peer = peer_of(service, exchange.request());
    auto caller = co_await service.access->authenticate(std::move(authorization), peer, until);
    if (!caller) {
        service.meters.count_login_failure();
        co_await refuse_login(service, exchange, caller.error());
        co_return;
    }
    const std::string body = service.access->issue_token(*caller, *scopes);
    auto sent = co_await exchange.respond(200, token_headers(), body);
    (void)sent;
}

const std::string* value_of(const net::Query& form, std::string_view key) {
    for (const auto& [name, value] : form) {
        if (name == key) { return &value; }
    }
    return nullptr;
}

net::Task<void> answer_form(Service& service, net::Exchange& exchange) {
    auto body =
        co_await exchange.read_body(form_bytes_max, Deadline::in(service.http.stall_timeout));
    auto form = body ? net::parse_query(*body) : Result<net::Query>(body.error());
    if (!form) {
        co_await refuse_grant(exchange, "invalid_request", form.error().message);
        co_return;
    }
    const auto* grant = value_of(*form, "grant_type");
    const auto* user = value_of(*form, "username");
    const auto* password = value_of(*form, "password");
    if (grant == nullptr || *grant != "password") {
        co_await refuse_grant(exchange, "unsupported_grant_type",
                              "grant_type must be password: refresh tokens are not given out");
        co_return;
    }
    if (user == nullptr || password == nullptr) {
        co_await refuse_grant(exchange, "invalid_request", "username and password are needed");
        co_return;
    }
    std::vector<std::string> scopes;
    if (const auto* scope = value_of(*form, "scope")) { scopes.push_back(*scope); }
    const std::string authorization = "Basic " + base64(*user + ":" + *password);
    co_await give_token(service, exchange, authorization, std::move(scopes));
}

} // namespace

net::Task<void> answer_token(Service& service, net::Exchange& exchange) {
    const net::RequestHead& request = exchange.request();
    if (request.method == "POST") {
        co_await answer_form(service, exchange);
        co_return;
    }
    if (request.method != "GET" && request.method != "HEAD") {
        net::Headers headers = token_headers();
        headers.add("Allow", "GET, HEAD, POST");
        const std::string body = print_errors({Problem{Code::Unsupported, "", nullptr}});
        auto sent = co_await exchange.respond(405, std::move(headers), body);
        (void)sent;
        co_return;
    }
    std::string authorization(request.headers.get_or("Authorization", ""));
    // A token must not beget tokens: its life would have no end.
    const bool basic = authorization.empty() || to_lower(authorization).starts_with("basic ");
    if (!basic) {
        const Error error{Errc::Unauthorized, "a token is given for a name and password only"};
        co_await refuse_login(service, exchange, error);
        co_return;
    }
    co_await give_token(service, exchange, std::move(authorization), request.params("scope"));
}

} // namespace shoal::registry
