#include "api/call.h"

#include "api/daemon.h"
#include "api/errors.h"
#include "base/text.h"

namespace shoal::api {
namespace {

const std::string nothing;

/// A query value as Docker's BoolValue takes it.
bool means_true(std::string_view text) {
    const auto word = to_lower(trim(text));
    return !(word.empty() || word == "0" || word == "no" || word == "false" || word == "none");
}

bool is_json_type(std::string_view content_type) {
    return to_lower(trim(cut(content_type, ';').first)) == "application/json";
}

} // namespace

Call::Call(Daemon& of, net::Exchange& on) : daemon(of), engine(of.engine), exchange(on) {}

const std::string& Call::param(std::string_view name) const {
    for (const auto& [key, value] : params_) {
        if (key == name) { return value; }
    }
    return nothing;
}

std::string Call::header(std::string_view name) const {
    return std::string(exchange.request().headers.get_or(name, ""));
}

bool Call::has_query(std::string_view name) const {
    return exchange.request().param(name) != nullptr;
}

std::string Call::query_text(std::string_view name) const {
    const auto* value = exchange.request().param(name);
    return value == nullptr ? std::string() : *value;
}

std::vector<std::string> Call::query_all(std::string_view name) const {
    return exchange.request().params(name);
}

bool Call::query_bool(std::string_view name, bool fallback) const {
    const auto* value = exchange.request().param(name);
    return value == nullptr ? fallback : means_true(*value);
}

Result<std::int64_t> Call::query_int(std::string_view name, std::int64_t fallback) const {
    const auto text = query_text(name);
    if (text.empty()) { return fallback; }
    const auto number = parse_number<std::int64_t>(text);
    if (!number) {
        return invalid(std::string(name) + ": " + go_quote(text) + " is not a whole number");
    }
    return *number;
}

Result<Filters> Call::filters() const { return Filters::parse(query_text("filters")); }

net::Cancel& Call::gone() { return exchange.gone(); }

net::Task<Result<std::string>> Call::body_text(std::size_t bytes_max) {
    return exchange.read_body(bytes_max);
}

namespace {
/// "\u0000" in a JSON text; "\\u0000" is a backslash and five letters.
bool has_escaped_nul(std::string_view text) {
    for (auto at = text.find("\\u0000"); at != std::string_view::npos;
         at = text.find("\\u0000", at + 1)) {
        std::size_t before = at;
        while (before > 0 && text[before - 1] == '\\') { --before; }
        if ((at - before) % 2 == 0) { return true; }
    }
    return false;
}
} // namespace

net::Task<Result<std::string>> Call::json_body_text(bool may_be_empty) {
    CO_TRY_LET(text, co_await exchange.read_body(body_bytes_max));
    const bool blank = trim(text).empty();
    if (blank && may_be_empty) { co_return std::string(); }
    if (blank) { co_return invalid("invalid JSON: got EOF while reading request body"); }
    const auto type = header("Content-Type");
    if (!is_json_type(type)) {
        co_return invalid("unsupported Content-Type header (" + type +
                          "): must be 'application/json'");
    }
    // What comes from here ends in system calls and in the runtime, where such a text would be cut
    // short.
    if (has_escaped_nul(text)) {
        co_return invalid("invalid JSON: a text contains a NUL character");
    }
    co_return std::move(text);
}

net::Headers standard_headers(const Daemon& daemon);

net::Headers Call::standard_headers() const {
    auto headers = api::standard_headers(daemon);
    for (const auto& [name, value] : extra_) { headers.set(name, value); }
    return headers;
}

void Call::set_header(std::string name, std::string value) {
    extra_.emplace_back(std::move(name), std::move(value));
}

net::Task<Result<void>> Call::send(int status, std::string content_type, std::string content) {
    ASSERT(!begun_);
    begun_ = true;
    status_ = status;
    net::Response response;
    response.status = status;
    response.headers = standard_headers();
    if (!content_type.empty()) { response.headers.set("Content-Type", std::move(content_type)); }
    response.body = std::move(content);
    return exchange.respond(std::move(response));
}

net::Task<Result<void>> Call::json(int status, Json value) {
    return json_text(status, dump_json(value) + "\n");
}
net::Task<Result<void>> Call::json_text(int status, std::string text) {
    return send(status, "application/json", std::move(text));
}
net::Task<Result<void>> Call::text(int status, std::string text) {
    return send(status, "text/plain; charset=utf-8", std::move(text));
}
net::Task<Result<void>> Call::empty(int status) { return send(status, "", ""); }

net::Task<Result<void>> Call::error(Error problem) {
    const int status = http_status(problem.code);
    if (status == 304) { return empty(304); }
    return json_text(status, error_document(problem.message));
}

net::Task<Result<void>> Call::begin(int status, std::string content_type) {
    ASSERT(!begun_);
    begun_ = true;
    status_ = status;
    auto headers = standard_headers();
    if (!content_type.empty()) { headers.set("Content-Type", std::move(content_type)); }
    return exchange.begin(status, std::move(headers));
}

net::Task<Result<void>> Call::write(std::string data) {
    CO_TRY(co_await exchange.write(data));
    co_return ok();
}
net::Task<Result<void>> Call::end() { return exchange.end(); }

net::Task<Result<void>> Call::progress(Json line) {
    if (!begun_) { CO_TRY(co_await begin(200, "application/json")); }
    std::string bytes = dump_json(line) + "\r\n";
    co_return co_await write(std::move(bytes));
}

net::Task<Result<void>> Call::finish_progress(Result<void> outcome) {
    if (!outcome && !begun_) { co_return std::move(outcome).error(); }
    if (!begun_) { CO_TRY(co_await begin(200, "application/json")); }
    if (!outcome) {
        Json detail{{"message", outcome.error().message}};
        Json line{{"errorDetail", detail}, {"error", outcome.error().message}};
        CO_TRY(co_await progress(std::move(line)));
    }
    co_return co_await end();
}

net::Task<Result<net::StreamPtr>> Call::hijack(bool terminal) {
    ASSERT(!begun_);
    const auto& request = exchange.request();
    const bool upgrade =
        request.headers.has("Upgrade") && request.headers.has_token("Connection", "upgrade");
    auto headers = standard_headers();
    // Docker tells frames from bare bytes only in an upgrade.
    headers.set("Content-Type", std::string(stream_content_type(version, terminal || !upgrade)));
    if (upgrade) {
        headers.set("Connection", "Upgrade");
        headers.set("Upgrade", "tcp");
    }
    begun_ = true;
    status_ = upgrade ? 101 : 200;
    return exchange.upgrade(status_, std::move(headers));
}

net::Task<Result<net::StreamPtr>> Call::upgrade(std::string protocol) {
    ASSERT(!begun_);
    const auto& asked = exchange.request().headers;
    if (!asked.has_token("Upgrade", protocol) || !asked.has_token("Connection", "upgrade")) {
        co_return invalid("this operation needs an upgrade to " + protocol);
    }
    auto headers = standard_headers();
    headers.set("Connection", "Upgrade");
    headers.set("Upgrade", protocol);
    begun_ = true;
    status_ = 101;
    co_return co_await exchange.upgrade(status_, std::move(headers));
}

} // namespace shoal::api
