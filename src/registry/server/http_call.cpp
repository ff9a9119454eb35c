#include "registry/server/http_call.h"

#include "base/text.h"
#include "registry/server/http_guard.h"

#include <cerrno>

namespace shoal::registry {
namespace {

constexpr std::string_view json_type = "application/json; charset=utf-8";

bool is_disk_full(const Error& error) {
    return error.os_errno == ENOSPC || error.os_errno == EDQUOT;
}

} // namespace

std::string param_of(const net::RequestHead& request, std::string_view key) {
    const auto* value = request.param(key);
    return value == nullptr ? "" : *value;
}

std::string Call::param(std::string_view key) const { return param_of(request(), key); }

net::Headers api_headers() {
    return {{"Docker-Distribution-Api-Version", "registry/2.0"},
            {"X-Content-Type-Options", "nosniff"},
            {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"}};
}

net::Task<void> Call::answer(int status, net::Headers headers, std::string body) {
    auto sent = co_await exchange_.respond(status, std::move(headers), body);
    (void)sent;
}

net::Task<void> Call::refuse(Code code, std::string message, Json detail) {
    std::vector<Problem> problems;
    problems.push_back({code, std::move(message), std::move(detail)});
    co_await refuse_all(status_of(code), std::move(problems));
}

net::Task<void> Call::refuse(Error error, Code code) {
    Refusal refusal = refusal_of(error, code);
    std::vector<Problem> problems;
    problems.push_back(std::move(refusal.problem));
    co_await refuse_all(refusal.status, std::move(problems));
}

net::Task<void> Call::refuse_all(int status, std::vector<Problem> problems) {
    net::Headers headers = api_headers();
    headers.add("Content-Type", std::string(json_type));
    if (status == 405) { headers.add("Allow", allowed_methods(place_.resource)); }
    if (status == 429) { headers.add("Retry-After", "5"); }
    co_await answer(status, std::move(headers), print_errors(problems));
}

net::Task<void> Call::challenge(std::string error, std::string message) {
    const std::string scope = scope_of(route_.need, name());
    net::Headers headers = api_headers();
    headers.add("Content-Type", std::string(json_type));
    if (!is_of_page(route_.resource)) { // a browser would ask with a window of its own
        headers.add("WWW-Authenticate", challenge_text(service_, request(), scope, error));
    }
    Json detail = nullptr;
    if (!scope.empty()) { detail = scope; }
    std::vector<Problem> problems;
    problems.push_back({Code::Unauthorized, std::move(message), std::move(detail)});
    co_await answer(401, std::move(headers), print_errors(problems));
}

void Call::audit(std::string_view what, std::string_view object, std::string_view result) const {
    service_.access->audit(caller_, peer_of(service_, request()), what, object, result);
}

std::string last_forwarded(const net::Headers& headers, std::string_view name) {
    std::string_view last;
    for (const auto& [key, value] : headers) {
        if (equals_ignore_case(key, name)) { last = value; }
    }
    return std::string(trim(last.substr(last.rfind(',') + 1)));
}

std::string public_url_of(const Service& service, const net::RequestHead& request) {
    const HttpOptions& options = service.http;
    if (!options.public_url.empty()) { return options.public_url; }
    std::string scheme = options.tls ? "https" : "http";
    std::string host(request.headers.get_or("Host", service.name));
    if (options.trust_forwarded) {
        if (last_forwarded(request.headers, "X-Forwarded-Proto") == "https") { scheme = "https"; }
        std::string said = last_forwarded(request.headers, "X-Forwarded-Host");
        if (!said.empty()) { host = std::move(said); }
    }
    // What is no origin is nobody's; no page can have come from there.
    return parse_origin(scheme + "://" + host).value_or(scheme + "://" + host);
}

std::string challenge_text(const Service& service, const net::RequestHead& request,
                           std::string_view scope, std::string_view error) {
    if (service.http.challenge == HttpOptions::Challenge::Basic) {
        return print_challenge("Basic", {{"realm", service.access->settings().service}});
    }
    std::vector<std::pair<std::string, std::string>> params{
        {"realm", public_url_of(service, request) + "/token"},
        {"service", service.access->settings().service}};
    if (!scope.empty()) { params.emplace_back("scope", scope); }
    if (!error.empty()) { params.emplace_back("error", error); }
    return print_challenge("Bearer", params);
}

std::string scope_of(Need need, std::string_view name) {
    const auto repository = [&](std::string_view actions) {
        return "repository:" + std::string(name) + ":" + std::string(actions);
    };
    switch (need) {
    case Need::Pull:
        return repository("pull");
    case Need::Push:
        return repository("pull,push");
    case Need::Delete:
        return repository("delete");
    case Need::Catalog:
        return "registry:catalog:*";
    case Need::Nothing:
    case Need::Known:
        break;
    }
    return "";
}

Refusal refusal_of(const Error& error, Code code) {
    const auto with = [&](Code as) {
        return Refusal{status_of(as), Problem{as, error.message, nullptr}};
    };
    switch (error.code) {
    case Errc::NotFound:
    case Errc::Invalid:
        return with(code);
    case Errc::Unauthorized:
        return with(Code::Unauthorized);
    case Errc::Forbidden:
        return with(Code::Denied);
    case Errc::Conflict:
        return Refusal{409, Problem{Code::BlobUploadInvalid, error.message, nullptr}};
    case Errc::Exhausted:
        if (is_disk_full(error)) {
            return Refusal{507,
                           Problem{Code::Unavailable, "the registry has no space left", nullptr}};
        }
        return with(Code::Denied);
    case Errc::Unavailable:
    case Errc::Timeout:
        return with(Code::Unavailable);
    default:
        return Refusal{500, Problem{Code::Unknown, "", nullptr}};
    }
}

Refusal login_refusal_of(const Error& error) {
    // Why a log-in failed is not the caller's business; that there were too many is.
    if (error.code == Errc::Unauthorized) { return {401, {Code::Unauthorized, "", nullptr}}; }
    const bool too_many = error.message.starts_with("too many");
    if (too_many) { return {429, {Code::TooManyRequests, error.message, nullptr}}; }
    // The rest may have addresses and paths in it: the log has them.
    const bool directory = error.message.starts_with("the directory");
    const char* said = directory ? "the directory of users does not answer"
                                 : "log-ins cannot be checked at the moment";
    return {503, {Code::Unavailable, said, nullptr}};
}

} // namespace shoal::registry
