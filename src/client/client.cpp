#include "client/client.h"

#include "base/text.h"
#include "net/http_status.h"

#include <fmt/format.h>

#include <cerrno>

namespace shoal::client {
namespace {

constexpr std::string_view cannot_connect = "Cannot connect to the Docker daemon at ";
constexpr std::size_t error_bytes_max = 1024 * 1024;
constexpr std::size_t ping_bytes_max = 64 * 1024;

/// A path with an empty name would mean something else to the daemon.
Result<void> check_path(std::string_view path) {
    for (const std::string_view kind : {"container", "image", "network", "volume", "exec"}) {
        const std::string start = kind == "exec" ? "/exec//" : "/" + std::string(kind) + "s//";
        if (path.starts_with(start)) {
            return invalid(fmt::format("invalid {} name or ID: value is empty", kind));
        }
    }
    return ok();
}

net::Task<Result<void>> check_status(net::ClientExchange& exchange, int status, net::Until until) {
    if (status < 400) { co_return ok(); }
    CO_TRY_LET(body, co_await exchange.read_body(error_bytes_max, until));
    co_return error_of(status, body);
}

} // namespace

Request get(std::string path, net::Query query) {
    return {"GET", std::move(path), std::move(query)};
}
Request post(std::string path, net::Query query) {
    return {"POST", std::move(path), std::move(query)};
}
Request post(std::string path, net::Query query, const Json& body) {
    return {"POST", std::move(path), std::move(query), dump_json(body)};
}
Request remove(std::string path, net::Query query) {
    return {"DELETE", std::move(path), std::move(query)};
}

std::string part(std::string_view name) {
    // Image names keep their slashes, colons and digests readable: the daemon matches them
    // greedily.
    std::string encoded = encode_percent(name);
    encoded = replace_all(encoded, "%2F", "/");
    encoded = replace_all(encoded, "%3A", ":");
    return replace_all(encoded, "%40", "@");
}

std::optional<int> parse_version(std::string_view text) {
    const auto [major, minor] = cut(text, '.');
    const auto high = parse_number<int>(major);
    const auto low = parse_number<int>(minor);
    if (!high || !low || *high < 1 || *high > 9 || *low < 0 || *low > 99) { return std::nullopt; }
    return *high * 100 + *low;
}

std::string version_text(int version) { return fmt::format("{}.{}", version / 100, version % 100); }

Error error_of(int status, std::string_view body) {
    std::string message(trim(body));
    if (auto parsed = parse_json(body); parsed && parsed->is_object() &&
                                        parsed->contains("message") &&
                                        (*parsed)["message"].is_string()) {
        message = trim((*parsed)["message"].get<std::string>());
    }
    if (message.empty()) { message = fmt::format("{} {}", status, net::reason_phrase(status)); }
    return Error{net::code_of_status(status), "Error response from daemon: " + message};
}

bool is_unreachable(const Error& error) { return error.message.starts_with(cannot_connect); }

Result<void> Answer::write(std::string_view bytes) {
    return net::run_task(loop_, exchange_->write(bytes, {}));
}

Result<void> Answer::finish_body() {
    auto ended = net::run_task(loop_, exchange_->end_body({}));
    auto answered = net::run_task(loop_, exchange_->head({}));
    if (!answered) { return ended ? std::move(answered).error() : std::move(ended).error(); }
    head = std::move(*answered);
    return net::run_task(loop_, check_status(*exchange_, head.status, {}));
}

net::Task<Result<void>> Answer::head_async(net::Until until) {
    CO_TRY_LET(answered, co_await exchange_->head(until));
    head = std::move(answered);
    co_return co_await check_status(*exchange_, head.status, until);
}

Result<std::size_t> Answer::read_some(std::span<char> into) {
    return net::run_task(loop_, exchange_->read_some(into, {}));
}
Result<std::string> Answer::read_all() {
    return net::run_task(loop_, exchange_->read_body(answer_bytes_max, {}));
}

Client::Client(net::Loop& loop, Endpoint endpoint, std::unique_ptr<net::HttpClient> http,
               int version)
    : loop_(loop), endpoint_(std::move(endpoint)), http_(std::move(http)), version_(version) {}

Result<std::unique_ptr<Client>> Client::create(net::Loop& loop, Endpoint endpoint,
                                               std::string fixed_version) {
    TRY_LET(address, net::parse_address(endpoint.host, endpoint.tls ? 2376 : 2375));
    std::shared_ptr<net::TlsClient> tls;
    if (endpoint.tls && address.kind == net::Address::Kind::Tcp) {
        TRY_LET(made,
                net::TlsClient::create({endpoint.ca_file, endpoint.cert_file, endpoint.key_file},
                                       endpoint.verify ? net::ServerCertificate::Verify
                                                       : net::ServerCertificate::Trust));
        tls = std::move(made);
    }
    int version = 0;
    if (!fixed_version.empty()) {
        if (fixed_version.starts_with('v')) { fixed_version.erase(0, 1); }
        const auto parsed = parse_version(fixed_version);
        if (!parsed) { return invalid("invalid API version \"" + fixed_version + "\""); }
        version = *parsed;
    }
    auto http = std::make_unique<net::HttpClient>(loop, std::move(address), std::move(tls));
    return std::make_unique<Client>(loop, std::move(endpoint), std::move(http), version);
}

Error Client::explain(Error error) const {
    if (error.os_errno == EACCES || error.os_errno == EPERM) {
        return Error{
            Errc::Forbidden,
            fmt::format(
                "permission denied while trying to connect to the Docker daemon socket at {}: {}",
                endpoint_.host, error.message),
            error.os_errno};
    }
    if (error.os_errno != 0 || error.code == Errc::Unavailable || error.code == Errc::NotFound) {
        return Error{
            Errc::Unavailable,
            fmt::format("{}{}. Is the docker daemon running?", cannot_connect, endpoint_.host),
            error.os_errno};
    }
    return std::move(error).with("error during connect");
}

net::Task<Result<int>> Client::version_async() {
    if (version_ != 0) { co_return version_; }
    net::ClientRequest ping;
    ping.method = "HEAD";
    ping.target = "/_ping";
    auto answer = co_await http_->request(std::move(ping), {}, ping_bytes_max);
    if (!answer) { co_return explain(std::move(answer).error()); }
    int version = oldest_version;
    if (const std::string* text = answer->headers.get("Api-Version")) {
        version = parse_version(*text).value_or(oldest_version);
    }
    version_ = std::min(version, newest_version);
    co_return version_;
}

Result<int> Client::version() { return net::run_task(loop_, version_async()); }

net::Task<Result<net::ClientRequest>> Client::prepare(Request request) {
    CO_TRY(check_path(request.path));
    net::ClientRequest prepared;
    prepared.method = request.method;
    std::string version;
    if (!request.unversioned) {
        CO_TRY_LET(number, co_await version_async());
        version = "/v" + version_text(number);
    }
    prepared.target = version + request.path;
    char separator = '?';
    for (const auto& [name, value] : request.query) {
        prepared.target += separator + encode_percent(name) + "=" + encode_percent(value);
        separator = '&';
    }
    prepared.headers = std::move(request.headers);
    prepared.headers.set("User-Agent", "Shoal-Client/" SHOAL_VERSION " (linux)");
    if (request.hijacked) {
        prepared.headers.set("Connection", "Upgrade");
        if (!prepared.headers.has("Upgrade")) { prepared.headers.set("Upgrade", "tcp"); }
    }
    if (!request.body.empty() || !request.content_type.empty()) {
        prepared.headers.set("Content-Type", request.content_type.empty() ? "application/json"
                                                                          : request.content_type);
    }
    prepared.body = std::move(request.body);
    prepared.streamed = request.streamed;
    co_return prepared;
}

net::Task<Result<std::unique_ptr<Answer>>> Client::open_async(Request request, net::Until until) {
    const bool streamed = request.streamed;
    CO_TRY_LET(prepared, co_await prepare(std::move(request)));
    auto sent = co_await http_->send(std::move(prepared), until);
    if (!sent) { co_return explain(std::move(sent).error()); }
    auto answer = std::make_unique<Answer>(loop_, std::move(*sent));
    if (streamed) { co_return answer; }
    CO_TRY_LET(head, co_await answer->exchange().head(until));
    answer->head = std::move(head);
    CO_TRY(co_await check_status(answer->exchange(), answer->head.status, until));
    co_return answer;
}

net::Task<Result<net::ClientResponse>> Client::call_async(Request request, net::Until until) {
    CO_TRY_LET(answer, co_await open_async(std::move(request), until));
    net::ClientResponse response;
    response.status = answer->head.status;
    response.headers = answer->head.headers;
    CO_TRY_LET(body, co_await answer->exchange().read_body(answer_bytes_max, until));
    response.body = std::move(body);
    co_return response;
}

net::Task<Result<Json>> Client::json_async(Request request, net::Until until) {
    CO_TRY_LET(response, co_await call_async(std::move(request), until));
    if (trim(response.body).empty()) { co_return Json(nullptr); }
    JsonLimits limits;
    limits.bytes_max = answer_bytes_max;
    co_return parse_json(response.body, limits).with("answer of the daemon");
}

net::Task<Result<Client::Hijacked>> Client::hijack_async(Request request, net::Until until) {
    request.hijacked = true;
    CO_TRY_LET(prepared, co_await prepare(std::move(request)));
    auto sent = co_await http_->send(std::move(prepared), until);
    if (!sent) { co_return explain(std::move(sent).error()); }
    net::ClientExchange& exchange = **sent;
    CO_TRY_LET(head, co_await exchange.head(until));
    CO_TRY(co_await check_status(exchange, head.status, until));
    if (head.status != 101 && head.status != 200) {
        co_return internal(fmt::format("unable to upgrade to tcp, received {}", head.status));
    }
    Hijacked hijacked;
    hijacked.content_type = head.headers.get_or("Content-Type", "");
    CO_TRY_LET(stream, exchange.upgrade());
    hijacked.stream = std::move(stream);
    co_return hijacked;
}

net::Task<Result<net::StreamPtr>> Client::connect_async(net::Until until) {
    auto stream = co_await http_->connect(until);
    if (!stream) { co_return explain(std::move(stream).error()); }
    co_return std::move(*stream);
}

Result<net::ClientResponse> Client::call(Request request) {
    return net::run_task(loop_, call_async(std::move(request), {}));
}
Result<Json> Client::json(Request request) {
    return net::run_task(loop_, json_async(std::move(request), {}));
}
Result<std::unique_ptr<Answer>> Client::open(Request request) {
    return net::run_task(loop_, open_async(std::move(request), {}));
}

} // namespace shoal::client
