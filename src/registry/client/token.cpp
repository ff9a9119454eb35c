// Token services: what is asked of them, and whether they may be given credentials.
#include "base/json.h"
#include "base/text.h"
#include "registry/client/registry_impl.h"
#include "registry/protocol/errors.h"

#include <algorithm>

namespace shoal::registry {
namespace {

constexpr std::string_view client_id = "docker";
constexpr std::chrono::seconds life_default{60};
constexpr std::chrono::seconds life_margin{5}; ///< not used any more that shortly before its end

std::string form_of(const std::vector<std::pair<std::string, std::string>>& fields) {
    std::string text;
    for (const auto& [name, value] : fields) {
        text += (text.empty() ? "" : "&") + name + "=" + encode_percent(value);
    }
    return text;
}

std::string joined(const std::vector<Scope>& scopes) {
    std::string text;
    for (const auto& scope : scopes) { text += (text.empty() ? "" : " ") + print_scope(scope); }
    return text;
}

Result<Token> read_token(const std::string& body, std::string* refresh_token, Steady now) {
    const auto document = parse_json(body, {1 << 20, 8});
    if (!document || !document->is_object()) {
        return Error{Errc::Unauthorized, "the token service did not send a token"};
    }
    const auto text = [&](const char* key) {
        return document->contains(key) && (*document)[key].is_string()
                   ? (*document)[key].get<std::string>()
                   : std::string();
    };
    Token token;
    token.text = text("token");
    if (token.text.empty()) { token.text = text("access_token"); }
    if (token.text.empty()) {
        return Error{Errc::Unauthorized,
                     "authorization server did not include a token in the response"};
    }
    const auto odd = [](unsigned char c) { return c <= ' ' || c >= 0x7f; };
    if (std::any_of(token.text.begin(), token.text.end(), odd)) {
        return Error{Errc::Unauthorized, "the token service sent a token that is none"};
    }
    auto life = life_default;
    if (document->contains("expires_in") && (*document)["expires_in"].is_number_integer()) {
        const auto seconds = (*document)["expires_in"].get<std::int64_t>();
        life = std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, 24 * 3600));
        life = std::max(life, life_default);
    }
    token.expires = now + life - life_margin;
    if (refresh_token != nullptr) { *refresh_token = text("refresh_token"); }
    return token;
}

} // namespace

bool is_inside(const std::string& host) {
    if (host == "localhost" || host == "::1") { return true; }
    for (const char* prefix : {"127.", "10.", "192.168.", "169.254.", "fe80:", "fc", "fd"}) {
        const bool v6 = host.find(':') != std::string::npos;
        const bool for_v6 = prefix[0] == 'f';
        if (v6 == for_v6 && host.starts_with(prefix) &&
            (v6 || is_hex(replace_all(host, ".", "")))) {
            return true;
        }
    }
    if (!host.starts_with("172.")) { return false; }
    const auto parts = split(host, '.');
    const auto second = parts.size() == 4 ? parse_number<int>(parts[1]) : std::nullopt;
    return second && *second >= 16 && *second < 32;
}

Result<TokenRequest> plan_token_request(const Challenge& challenge,
                                        const std::vector<Scope>& scopes, const AuthConfig& auth,
                                        const Endpoint& endpoint, bool offline_token) {
    const auto param = [&](const char* name) {
        const auto found = challenge.params.find(name);
        return found == challenge.params.end() ? std::string() : found->second;
    };
    auto realm = net::parse_url(param("realm"));
    if (!realm || param("realm").find("://") == std::string::npos) {
        return invalid("the registry names no token service that can be asked");
    }
    const bool own = realm->host == endpoint.url.host;
    if (!own && is_inside(realm->host)) {
        return Error{Errc::Unauthorized, "token realm " + realm->text() + " of " +
                                             place_of(endpoint.url) +
                                             " is an address of another network: refused"};
    }
    if (endpoint.url.tls && !realm->tls) {
        return Error{Errc::Unauthorized, "token realm " + realm->text() + " of " +
                                             place_of(endpoint.url) + " is not https: refused"};
    }
    const bool has_credentials = !auth.username.empty() || !auth.identity_token.empty();
    if (!own && has_credentials && !(realm->tls && endpoint.url.tls && endpoint.verify)) {
        return Error{Errc::Unauthorized, "token realm " + realm->text() + " of " +
                                             place_of(endpoint.url) +
                                             " is another host, and the registry's own word is not "
                                             "verified by TLS: refused to send credentials"};
    }
    realm->user.clear();
    TokenRequest request{*realm, "GET", "", false};
    const std::string service = param("service");
    if (!auth.identity_token.empty()) {
        request.method = "POST";
        request.body = form_of({{"grant_type", "refresh_token"},
                                {"refresh_token", auth.identity_token},
                                {"service", service},
                                {"client_id", std::string(client_id)},
                                {"scope", joined(scopes)}});
        return request;
    }
    std::vector<std::pair<std::string, std::string>> fields;
    if (!auth.username.empty()) { fields.emplace_back("account", auth.username); }
    if (!service.empty()) { fields.emplace_back("service", service); }
    for (const auto& scope : scopes) { fields.emplace_back("scope", print_scope(scope)); }
    if (offline_token) {
        fields.emplace_back("client_id", client_id);
        fields.emplace_back("offline_token", "true");
    }
    const std::string query = form_of(fields);
    if (!query.empty()) {
        request.url.target +=
            (request.url.target.find('?') == std::string::npos ? "?" : "&") + query;
    }
    request.with_basic = !auth.username.empty();
    return request;
}

net::Task<Result<Token>> Registry::Impl::fetch_token(Challenge challenge, std::vector<Scope> scopes,
                                                     net::Until until, std::string* refresh_token) {
    const AuthConfig login = login_here();
    CO_TRY_LET(plan,
               plan_token_request(challenge, scopes, login, endpoint(), refresh_token != nullptr));
    CO_TRY_LET(client, client_for(plan.url));
    net::ClientRequest request;
    request.method = plan.method;
    request.target = plan.url.target;
    request.headers.add("User-Agent", options.user_agent);
    request.headers.add("Accept", "application/json");
    if (plan.method == "POST") {
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    }
    request.body = plan.body;
    if (plan.with_basic) {
        request.headers.add("Authorization",
                            "Basic " + base64(login.username + ":" + login.password));
    }
    const std::string shown =
        "Get \"" + place_of(plan.url) + plan.url.target.substr(0, plan.url.target.find('?')) + "\"";
    const net::Until soon = within(options.limits.answer_timeout, until);
    auto answer =
        co_await client->request(std::move(request), soon, options.limits.token_bytes_max);
    if (!answer) { co_return std::move(answer).error().with(shown); }
    if (answer->status != 200) {
        Error error = error_of_answer(answer->status, answer->body);
        if (error.code == Errc::Unauthorized && !error.message.starts_with("unauthorized")) {
            error.message = "unauthorized: " + error.message;
        }
        co_return std::move(error).with(shown);
    }
    co_return read_token(answer->body, refresh_token, loop.now());
}

net::Task<Result<std::string>> Registry::Impl::authorization(std::vector<Scope> scopes,
                                                             net::Until until) {
    const AuthConfig login = login_here();
    if (!login.registry_token.empty()) { co_return "Bearer " + login.registry_token; }
    const auto of_scheme = [this](std::string_view scheme) -> const Challenge* {
        for (const auto& one : challenges) {
            if (one.scheme == scheme) { return &one; }
        }
        return nullptr;
    };
    const Challenge* bearer = of_scheme("bearer");
    if (bearer == nullptr) {
        if (of_scheme("basic") == nullptr || login.username.empty()) { co_return std::string(); }
        co_return "Basic " + base64(login.username + ":" + login.password);
    }
    const std::string key = joined(scopes);
    const auto known = tokens.find(key);
    if (known != tokens.end() && loop.now() < known->second.expires) {
        co_return "Bearer " + known->second.text;
    }
    const Challenge challenge = *bearer;
    const std::size_t asked = current;
    CO_TRY_LET(token, co_await fetch_token(challenge, std::move(scopes), until, nullptr));
    std::string value = "Bearer " + token.text;
    if (asked == current) { tokens[key] = std::move(token); }
    co_return value;
}

} // namespace shoal::registry
