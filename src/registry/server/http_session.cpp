// Who uses the page: a log-in with name and password, which a cookie stands for afterwards. The
// cookie goes to /api/ only, no script can read it, and no other site's page can send it.
#include "base/text.h"
#include "blob/hash.h"
#include "registry/server/http_call.h"
#include "registry/server/meters.h"

namespace shoal::registry {
namespace {

constexpr std::size_t form_bytes_max = 16 * 1024;

std::string print_cookie(const Call& call, std::string_view value, std::chrono::seconds life) {
    const std::string url = public_url_of(call.service(), call.request());
    const bool secure = url.starts_with("https://");
    return session_cookie_of(url) + "=" + std::string(value) +
           "; Path=/api; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(life.count()) +
           (secure ? "; Secure" : "");
}

net::Task<void> answer_session(Call& call, const Access::Caller& caller, std::string cookie) {
    const Access& access = *call.service().access;
    net::Headers headers = page_headers();
    if (!cookie.empty()) { headers.add("Set-Cookie", std::move(cookie)); }
    const bool known = !caller.identity.anonymous() || access.settings().open;
    std::string body = dump_json(Json{{"user", caller.identity.name},
                                      {"admin", access.allows(caller, "", Action::Admin)},
                                      {"accounts", !access.settings().open},
                                      {"version", known ? SHOAL_VERSION : ""}});
    co_await call.answer(200, std::move(headers), std::move(body));
}

struct LogIn {
    std::string name;
    std::string password;
};

Result<LogIn> parse_log_in(std::string_view type, std::string_view body) {
    // A form of another site's page cannot have this type.
    if (!type.starts_with("application/json")) { return invalid("expected application/json"); }
    TRY_LET(json, parse_json(body, {form_bytes_max, 2}));
    const auto text = [&](const char* key) {
        return json.is_object() && json.contains(key) && json[key].is_string()
                   ? json[key].get<std::string>()
                   : "";
    };
    LogIn wanted{text("name"), text("password")};
    if (wanted.name.empty() || wanted.password.empty()) {
        return invalid("name and password are needed");
    }
    return wanted;
}

net::Task<void> refuse_log_in(Call& call, Error error) {
    call.service().meters.count_login_failure();
    Refusal refusal = login_refusal_of(error);
    if (refusal.status == 401) { refusal.problem.message = "incorrect username or password"; }
    std::vector<Problem> problems;
    problems.push_back(std::move(refusal.problem));
    co_await call.refuse_all(refusal.status, std::move(problems));
}

} // namespace

net::Headers page_headers() {
    net::Headers headers = api_headers();
    headers.add("Content-Type", "application/json; charset=utf-8");
    headers.add("Cache-Control", "no-store");
    return headers;
}

std::string session_cookie_of(std::string_view public_url) {
    const std::string name = "shoal_registry_" + blob::hash(public_url).hex().substr(0, 8);
    return public_url.starts_with("https://") ? "__Secure-" + name : name;
}

std::string session_of(const Service& service, const net::RequestHead& request) {
    const std::string cookie = session_cookie_of(public_url_of(service, request));
    for (const auto& [header, value] : request.headers) {
        if (!equals_ignore_case(header, "Cookie")) { continue; }
        for (const auto& pair : split(value, ';')) {
            const auto [name, text] = cut(trim(pair), '=');
            if (name == cookie) { return std::string(text); }
        }
    }
    return "";
}

net::Task<void> tell_session(Call& call) { co_await answer_session(call, call.caller(), ""); }

net::Task<void> log_in_to_page(Call& call) {
    Service& service = call.service();
    if (service.access->settings().open) {
        co_await call.refuse(Code::Unsupported, "this registry has no accounts");
        co_return;
    }
    const net::Until until(Deadline::in(service.http.stall_timeout), call.exchange().gone());
    const auto body = co_await call.exchange().read_body(form_bytes_max, until);
    const std::string type(call.request().headers.get_or("Content-Type", ""));
    const auto wanted = body ? parse_log_in(type, *body) : Result<LogIn>(body.error());
    if (!wanted) {
        std::vector<Problem> problems;
        problems.push_back({Code::Unsupported, wanted.error().message, nullptr});
        co_await call.refuse_all(400, std::move(problems));
        co_return;
    }
    std::string authorization = "Basic " + base64(wanted->name + ":" + wanted->password);
    std::string peer = peer_of(service, call.request());
    auto caller =
        co_await service.access->authenticate(std::move(authorization), std::move(peer), until);
    if (!caller) {
        co_await refuse_log_in(call, caller.error());
        co_return;
    }
    const auto session = service.access->begin_session(*caller);
    if (!session) {
        co_await call.refuse(Code::Denied, session.error().message);
        co_return;
    }
    call.set_caller(*caller);
    std::string cookie = print_cookie(call, session->text, session->life);
    co_await answer_session(call, *caller, std::move(cookie));
}

net::Task<void> log_out_of_page(Call& call) {
    call.service().access->end_session(session_of(call.service(), call.request()));
    std::string cookie = print_cookie(call, "", std::chrono::seconds(0));
    const Access::Caller nobody;
    co_await answer_session(call, nobody, std::move(cookie));
}

} // namespace shoal::registry
