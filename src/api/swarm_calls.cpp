#include "api/swarm_calls.h"

#include "base/text.h"
#include "net/http_status.h"

namespace shoal::api {
namespace {

using swarm::LocalState;
using swarm::Standing;

constexpr auto write_timeout = std::chrono::seconds(20);
constexpr auto forwarded_header = "X-Shoal-Forwarded";
constexpr std::size_t answer_bytes_max = 16 * 1024 * 1024;
constexpr std::size_t message_bytes_max = 64 * 1024;

constexpr auto outside = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker "
                         "swarm join\" to connect this node to swarm and try again.";
constexpr auto worker =
    "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. "
    "Please run this command on a manager node or promote the current node to a manager.";
constexpr auto locked = "Swarm is encrypted and needs to be unlocked before it can be used. Please "
                        "use \"docker swarm unlock\" to unlock it.";
constexpr auto expired =
    "Swarm certificates have expired. To replace them, leave the swarm and join again.";
constexpr auto leaderless =
    "The swarm does not have a leader. It's possible that too few managers are online. Make sure "
    "more than half of the managers are online.";

Error unavailable(std::string message) { return {Errc::Unavailable, std::move(message)}; }

/// What describes the request itself; the connection's own business stays here.
net::Headers forwarded_headers(const net::Headers& from) {
    net::Headers headers;
    for (const char* name : {"Content-Type", "Accept", "User-Agent", "X-Registry-Auth"}) {
        if (const auto* value = from.get(name)) { headers.add(name, *value); }
    }
    headers.add("Host", "leader");
    headers.add(forwarded_header, "1");
    return headers;
}

bool is_stream(std::string_view content_type) {
    return content_type.find("-stream") != std::string_view::npos;
}

net::Task<Result<std::string>> read_all(Call& call, swarm::ForwardedAnswer& answer,
                                        std::size_t bytes_max) {
    std::string body;
    const net::Until until(call.gone());
    for (;;) {
        CO_TRY_LET(piece, co_await answer.read(until));
        if (piece.empty()) { co_return body; }
        body += piece;
        if (body.size() > bytes_max) { co_return internal("the leader's answer is too large"); }
    }
}

net::Task<Result<void>> pass_stream(Call& call, swarm::ForwardedAnswer& answer,
                                    std::string content_type) {
    CO_TRY(co_await call.begin(answer.status, std::move(content_type)));
    const net::Until until(call.gone());
    for (;;) {
        auto piece = co_await answer.read(until);
        if (!piece && piece.error().code == Errc::Cancelled) { break; } // the client has gone
        if (!piece) { co_return std::move(piece).error(); }
        if (piece->empty()) { break; }
        CO_TRY(co_await call.write(std::move(*piece)));
    }
    co_return co_await call.end();
}

net::Task<Result<void>> pass_answer(Call& call, swarm::ForwardedAnswer& answer) {
    std::string type(answer.headers.get_or("Content-Type", ""));
    if (is_stream(type)) { co_return co_await pass_stream(call, answer, std::move(type)); }
    CO_TRY_LET(body, co_await read_all(call, answer, answer_bytes_max));
    if (body.empty()) { co_return co_await call.empty(answer.status); }
    if (type.starts_with("application/json")) {
        co_return co_await call.json_text(answer.status, std::move(body));
    }
    co_return co_await call.text(answer.status, std::move(body));
}

Error error_of(int status, const std::string& body) {
    const auto json = parse_json(body);
    if (json && json->is_object() && json->contains("message") && (*json)["message"].is_string()) {
        return {net::code_of_status(status), (*json)["message"].get<std::string>()};
    }
    return {net::code_of_status(status),
            "the leader answered with status " + std::to_string(status)};
}

} // namespace

Result<void> check_manager(const Standing& standing) {
    switch (standing.state) {
    case LocalState::Locked:
        return unavailable(locked);
    case LocalState::Error:
        if (standing.certificates_expired) { return unavailable(expired); }
        break;
    case LocalState::Inactive:
        return unavailable(outside);
    case LocalState::Pending:
    case LocalState::Active:
        break;
    }
    if (standing.manager) { return ok(); }
    return unavailable(standing.state == LocalState::Active ? worker : outside);
}

Standing standing_of(const Call& call) {
    return call.daemon.swarm == nullptr ? Standing{} : call.daemon.swarm->standing();
}

Result<const swarm::Store*> cluster_store(const Call& call) {
    TRY(check_manager(standing_of(call)));
    const auto* store = call.daemon.swarm->store();
    if (store == nullptr) { return internal(leaderless); }
    return store;
}

Result<std::uint64_t> version_of_query(const Call& call, const char* kind) {
    const auto text = call.query_text("version");
    const auto version = parse_number<std::uint64_t>(text);
    if (version) { return *version; }
    return invalid("invalid " + std::string(kind) + " version '" + text + "'");
}

net::Until write_until(Call& call) { return {Deadline::in(write_timeout), call.gone()}; }

net::Task<Result<void>> write_cluster(Call& call, swarm::Mutation work) {
    const auto until = write_until(call);
    CO_TRY(co_await call.daemon.swarm->submit(std::move(work), until));
    co_return ok();
}

bool is_forwarded(const Call& call) { return !call.header(forwarded_header).empty(); }

net::Task<Result<void>> forward_to_leader(Call& call) {
    CO_TRY_LET(body, co_await call.body_text());
    co_return co_await forward_to_leader(call, std::move(body));
}

net::Task<Result<void>> forward_to_leader(Call& call, std::string body) {
    // It led a moment ago, or somebody believed so; passing it on again could go round in a ring.
    if (is_forwarded(call)) { co_return unavailable(leaderless); }
    swarm::ForwardedRequest request;
    request.method = call.exchange.request().method;
    request.target = call.exchange.request().target;
    request.headers = forwarded_headers(call.exchange.request().headers);
    request.body = std::move(body);
    const auto until = write_until(call);
    CO_TRY_LET(answer, co_await call.daemon.swarm->forward(std::move(request), until));
    co_return co_await pass_answer(call, *answer);
}

net::Task<Result<void>> ask_leader(Call& call, std::string method, std::string target) {
    swarm::ForwardedRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.headers = forwarded_headers({});
    const auto until = write_until(call);
    CO_TRY_LET(answer, co_await call.daemon.swarm->forward(std::move(request), until));
    CO_TRY_LET(body, co_await read_all(call, *answer, message_bytes_max));
    if (answer->status < 400) { co_return ok(); }
    co_return error_of(answer->status, body);
}

} // namespace shoal::api
