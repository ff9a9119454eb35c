// One registry: which endpoint answers, and how every request is made.
#include "base/json.h"
#include "base/text.h"
#include "net/sleep.h"
#include "registry/client/registry_impl.h"
#include "registry/protocol/errors.h"
#include "registry/protocol/ranges.h"

#include <algorithm>

namespace shoal::registry {
namespace {

constexpr std::chrono::seconds retry_after_max{30};
constexpr std::chrono::seconds retry_pause{1};
constexpr int busy_attempts_max = 4;
constexpr std::size_t error_bytes_max = 64 * 1024;
constexpr std::size_t pages_max = 10'000;

std::string bracketed(const std::string& host) {
    return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

bool is_busy(int status) {
    return status == 429 || status == 503 || status == 502 || status == 504;
}

std::chrono::seconds pause_of(const net::Headers& headers) {
    const auto said = parse_number<std::int64_t>(headers.get_or("Retry-After", ""));
    if (!said || *said < 0) { return retry_pause; }
    return std::min(std::chrono::seconds(std::min<std::int64_t>(*said, 3600)), retry_after_max);
}

/// What Go's clients say first.
std::string verb_of(const std::string& method) {
    return method.substr(0, 1) + to_lower(method.substr(1));
}

Error connect_error(Error error, const Ask& ask) {
    if (ask.url.tls && error.message.find("wrong version number") != std::string::npos) {
        error.message = "http: server gave HTTP response to HTTPS client";
    }
    if (error.code != Errc::Timeout) { error.code = Errc::Internal; } // the API's 500, as Docker's
    return std::move(error).with(verb_of(ask.method) + " \"" + place_of(ask.url) + ask.url.target +
                                 "\"");
}

std::string text_at(const Json& object, const char* key) {
    return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

bool contains_fold(const std::string& text, const std::string& part) {
    return to_lower(text).find(to_lower(part)) != std::string::npos;
}

} // namespace

std::string place_of(const net::Url& url) {
    const bool usual = url.port == (url.tls ? 443 : 80);
    return (url.tls ? "https://" : "http://") + bracketed(url.host) +
           (usual ? "" : ":" + std::to_string(url.port));
}

bool same_origin(const net::Url& a, const net::Url& b) {
    return a.tls == b.tls && a.host == b.host && a.port == b.port;
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Result<net::Url> follow(const net::Url& from, std::string_view location) {
    TRY_LET(to, net::follow_redirect(from, location));
    to.user.clear();
    if (to.host != from.host && is_inside(to.host) && !is_inside(from.host)) {
        return invalid(place_of(from) + " leads to " + place_of(to) +
                       ", an address of another network: refused");
    }
    return std::move(to);
}

net::Url Registry::Impl::at_endpoint(const std::string& target) const {
    net::Url url = endpoint().url;
    url.target += target;
    return url;
}

void Registry::Impl::next_endpoint() {
    ++current;
    chosen = false;
    challenges.clear();
    tokens.clear(); // they are not for another host
}

bool Registry::Impl::give_up_mirror(std::size_t asked) {
    if (!endpoints[asked].mirror || asked + 1 >= endpoints.size()) { return false; }
    if (asked == current) { next_endpoint(); }
    return true;
}

Result<std::shared_ptr<net::HttpClient>> Registry::Impl::client_for(const net::Url& url) {
    auto& kept = clients[place_of(url)];
    if (kept) { return kept; }
    Endpoint how = endpoint();
    if (!same_origin(url, how.url)) {
        // A stranger (storage, token service): verified, unless it is the registry's own host.
        const bool verify = how.verify || url.host != how.url.host;
        TRY_LET(other, endpoint_at(url, options.hosts));
        how = std::move(other);
        how.verify = verify;
    }
    std::shared_ptr<net::TlsClient> tls;
    if (url.tls) {
        TRY_LET(made, net::TlsClient::create(how.tls, how.verify ? net::ServerCertificate::Verify
                                                                 : net::ServerCertificate::Trust));
        tls = std::move(made);
    }
    const net::Address address{net::Address::Kind::Tcp, url.host, url.port};
    kept = std::make_shared<net::HttpClient>(loop, address, std::move(tls),
                                             place_of(url).substr(url.tls ? 8 : 7));
    if (how.proxy) {
        const std::string authorization =
            how.proxy->user.empty() ? "" : "Basic " + base64(how.proxy->user);
        kept->use_proxy({net::Address::Kind::Tcp, how.proxy->host, how.proxy->port}, authorization);
    }
    return kept;
}

net::Task<Result<Answer>> Registry::Impl::send_once(const Ask* ask, net::Until until) {
    CO_TRY_LET(client, client_for(ask->url));
    net::ClientRequest request;
    request.method = ask->method;
    request.target = ask->url.target;
    request.headers = ask->headers;
    request.headers.set("User-Agent", options.user_agent);
    request.body = ask->body;
    request.streamed = ask->streamed;
    if (chosen && same_origin(ask->url, endpoint().url)) {
        CO_TRY_LET(authorized, co_await authorization(ask->scopes, until));
        if (!authorized.empty()) { request.headers.set("Authorization", authorized); }
    }
    const net::Until soon = within(options.limits.answer_timeout, until);
    auto exchange = co_await client->send(std::move(request), soon);
    if (!exchange) { co_return connect_error(std::move(exchange).error(), *ask); }
    Answer answer{std::move(*exchange), {}, ask->url};
    if (ask->streamed) { co_return std::move(answer); }
    auto head = co_await answer.exchange->head(soon);
    if (!head) { co_return connect_error(std::move(head).error(), *ask); }
    answer.head = std::move(*head);
    co_return std::move(answer);
}

net::Task<Result<Answer>> Registry::Impl::ask(Ask ask, net::Until until) {
    int redirects = 0;
    int busy = 0;
    bool asked_again = false;
    while (true) {
        CO_TRY_LET(answer, co_await send_once(&ask, until));
        if (ask.streamed) { co_return std::move(answer); }
        const int status = answer.head.status;
        const bool at_home = same_origin(ask.url, endpoint().url);
        if (status == 401 && at_home && ask.ask_again && !asked_again) {
            const auto said = parse_challenges(answer.head.headers.get_or("WWW-Authenticate", ""));
            if (!said.empty()) {
                challenges = said;
                tokens.clear();
                asked_again = true;
                CO_TRY_LET(authorized, co_await authorization(ask.scopes, until));
                if (!authorized.empty()) { continue; }
                if (said.front().scheme == "basic") {
                    co_return Error{Errc::Unauthorized, verb_of(ask.method) + " \"" +
                                                            place_of(ask.url) + ask.url.target +
                                                            "\": no basic auth credentials"};
                }
            }
        }
        const bool safe = ask.method == "GET" || ask.method == "HEAD";
        if (is_redirect(status) && safe) {
            if (++redirects > options.limits.redirects_max) {
                co_return invalid(place_of(ask.url) + ": too many redirects");
            }
            CO_TRY_LET(next, follow(ask.url, answer.head.headers.get_or("Location", "")));
            ask.url = std::move(next);
            continue;
        }
        if (is_busy(status) && ++busy < busy_attempts_max && ask.body.empty()) {
            const net::Until pause =
                until.no_later_than(Deadline::in(pause_of(answer.head.headers)));
            answer.exchange.reset();
            const net::Wake wake = co_await net::sleep(loop, pause);
            if (wake == net::Wake::Cancelled) { co_return to_result(wake, "registry").error(); }
            continue;
        }
        co_return std::move(answer);
    }
}

net::Task<Error> Registry::Impl::error_of(Answer answer, net::Until until) {
    const net::Until soon = within(options.limits.answer_timeout, until);
    auto body = co_await answer.exchange->read_body(error_bytes_max, soon);
    co_return error_of_answer(answer.head.status, body ? *body : std::string());
}

net::Task<Result<Registry::Impl::Document>> Registry::Impl::fetch(Ask ask, net::Until until,
                                                                  std::size_t bytes_max) {
    const bool head_only = ask.method == "HEAD";
    CO_TRY_LET(answer, co_await this->ask(std::move(ask), until));
    if (answer.head.status >= 300) {
        Error error = co_await error_of(std::move(answer), until);
        co_return error;
    }
    Document document{std::move(answer.head.headers), "", answer.url};
    if (head_only) { co_return std::move(document); }
    const net::Until soon = within(options.limits.answer_timeout, until);
    CO_TRY_LET(body, co_await answer.exchange->read_body(bytes_max, soon));
    document.body = std::move(body);
    co_return std::move(document);
}

net::Task<Result<void>> Registry::Impl::ping(net::Until until) {
    Ask ask;
    ask.url = at_endpoint("/v2/");
    ask.ask_again = false;
    const net::Until soon = within(options.limits.connect_timeout, until);
    CO_TRY_LET(answer, co_await send_once(&ask, soon));
    challenges.clear();
    if (answer.head.status == 401) {
        challenges = parse_challenges(answer.head.headers.get_or("WWW-Authenticate", ""));
        if (challenges.empty()) {
            co_return Error{Errc::Unauthorized,
                            place_of(ask.url) + " asks for a log-in and does not say which"};
        }
        co_return ok();
    }
    if (answer.head.status == 200) { co_return ok(); }
    Error error = co_await error_of(std::move(answer), soon);
    co_return std::move(error).with("Get \"" + place_of(ask.url) + ask.url.target + "\"");
}

net::Task<Result<void>> Registry::Impl::choose(net::Until until) {
    if (chosen) { co_return ok(); }
    auto turn = co_await choosing.acquire(until);
    if (!turn) { co_return std::move(turn).error(); }
    if (chosen) { co_return ok(); }
    while (true) {
        const std::size_t asked = current;
        auto answered = co_await ping(until);
        if (current != asked) { continue; } // given up meanwhile: its answer is worth nothing
        if (answered) {
            chosen = true;
            co_return ok();
        }
        if (until.cancelled() || current + 1 >= endpoints.size()) { co_return answered; }
        next_endpoint();
    }
}

Registry::Registry(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Registry::~Registry() = default;
const std::string& Registry::domain() const { return impl_->domain; }

Result<std::shared_ptr<Registry>> Registry::create(net::Loop& loop, const ClientOptions& options,
                                                   const std::string& domain, AuthConfig auth,
                                                   Purpose purpose) {
    auto impl = std::make_unique<Impl>(loop, options);
    impl->domain = domain;
    impl->auth = std::move(auth);
    TRY_LET(endpoints, endpoints_of(domain, options.hosts, purpose));
    impl->endpoints = std::move(endpoints);
    return std::make_shared<Registry>(std::move(impl));
}

net::Task<Result<Registry::LoginAnswer>> Registry::login(net::Until until) {
    Impl& impl = *impl_;
    CO_TRY(co_await impl.choose(until));
    LoginAnswer login;
    for (const auto& challenge : impl.challenges) {
        if (challenge.scheme != "bearer") { continue; }
        const Challenge copy = challenge;
        const std::vector<Scope> none;
        CO_TRY_LET(token, co_await impl.fetch_token(copy, none, until, &login.identity_token));
        impl.tokens[""] = std::move(token);
        break;
    }
    Ask ask;
    ask.url = impl.at_endpoint("/v2/");
    const std::string place = place_of(ask.url) + ask.url.target;
    CO_TRY_LET(answer, co_await impl.ask(std::move(ask), until));
    if (answer.head.status == 401) {
        co_return Error{Errc::Unauthorized,
                        "login attempt to " + place + " failed with status: 401 Unauthorized"};
    }
    if (answer.head.status != 200) {
        Error error = co_await impl.error_of(std::move(answer), until);
        co_return std::move(error).with("login attempt to " + place);
    }
    co_return login;
}

net::Task<Result<std::vector<std::string>>> Registry::catalog(std::size_t limit, net::Until until) {
    Impl& impl = *impl_;
    CO_TRY(co_await impl.choose(until));
    std::vector<std::string> names;
    net::Url next = impl.at_endpoint("/v2/_catalog?n=1000");
    for (std::size_t page = 0; page < pages_max && names.size() < limit; ++page) {
        Ask ask;
        ask.url = next;
        ask.scopes = {{"registry", "catalog", {"*"}}};
        CO_TRY_LET(answer,
                   co_await impl.fetch(std::move(ask), until, impl.options.limits.page_bytes_max));
        CO_TRY_LET(document, parse_json(answer.body));
        if (!document.is_object() || !document.contains("repositories")) { break; }
        for (const auto& name : document["repositories"]) {
            if (name.is_string() && names.size() < limit) {
                names.push_back(name.get<std::string>());
            }
        }
        const std::string link = next_link(answer.headers.get_or("Link", ""));
        if (link.empty()) { break; }
        CO_TRY_LET(following, net::follow_redirect(answer.url, link));
        if (following == next || !same_origin(following, next)) { break; }
        next = std::move(following);
    }
    co_return names;
}

net::Task<Result<std::vector<SearchResult>>> Registry::search(std::string term, std::size_t limit,
                                                              net::Until until) {
    Impl& impl = *impl_;
    CO_TRY(co_await impl.choose(until));
    Ask ask;
    ask.url =
        impl.at_endpoint("/v1/search?q=" + encode_percent(term) + "&n=" + std::to_string(limit));
    auto answer = co_await impl.fetch(std::move(ask), until, impl.options.limits.page_bytes_max);
    std::vector<SearchResult> found;
    if (answer) {
        CO_TRY_LET(document, parse_json(answer->body));
        if (!document.is_object() || !document.contains("results")) { co_return found; }
        for (const auto& one : document["results"]) {
            if (!one.is_object() || found.size() >= limit) { continue; }
            SearchResult result;
            result.name = text_at(one, "name");
            result.description = text_at(one, "description");
            if (one.contains("star_count") && one["star_count"].is_number_integer()) {
                result.stars = one["star_count"].get<std::int64_t>();
            }
            result.official = one.contains("is_official") && one["is_official"] == true;
            result.automated = one.contains("is_automated") && one["is_automated"] == true;
            found.push_back(std::move(result));
        }
        co_return found;
    }
    if (answer.error().code != Errc::NotFound) { co_return std::move(answer).error(); }
    CO_TRY_LET(names, co_await catalog(100'000, until));
    for (const auto& name : names) {
        if (found.size() >= limit) { break; }
        if (contains_fold(name, term)) {
            found.push_back({impl.domain + "/" + name, "", 0, false, false});
        }
    }
    co_return found;
}

} // namespace shoal::registry
