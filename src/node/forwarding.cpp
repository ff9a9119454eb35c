#include "node/forwarding.h"

#include "net/http_client.h"

namespace shoal::node {
namespace {

constexpr std::size_t piece_bytes = 32 * 1024;

/// Made anew by the client.
bool is_about_the_connection(std::string_view name) {
    for (const std::string_view one : {"connection", "host", "content-length", "transfer-encoding",
                                       "upgrade", "keep-alive", "expect", "te"}) {
        const bool same = name.size() == one.size() &&
                          std::equal(name.begin(), name.end(), one.begin(), [](char a, char b) {
                              return std::tolower(static_cast<unsigned char>(a)) == b;
                          });
        if (same) { return true; }
    }
    return false;
}

class Answer final : public swarm::ForwardedAnswer {
  public:
    Answer(std::unique_ptr<net::HttpClient> client, std::unique_ptr<net::ClientExchange> exchange)
        : client_(std::move(client)), exchange_(std::move(exchange)) {}
    net::Task<Result<std::string>> read(net::Until until) override {
        std::string piece(piece_bytes, '\0');
        CO_TRY_LET(got, co_await exchange_->read_some(std::span<char>(piece), until));
        piece.resize(got);
        co_return piece;
    }

  private:
    std::unique_ptr<net::HttpClient> client_;
    std::unique_ptr<net::ClientExchange> exchange_;
};

net::ClientRequest outgoing(swarm::ForwardedRequest request) {
    net::ClientRequest out;
    out.method = std::move(request.method);
    out.target = std::move(request.target);
    out.body = std::move(request.body);
    for (const auto& [name, value] : request.headers) {
        if (!is_about_the_connection(name)) { out.headers.add(name, value); }
    }
    return out;
}

using AnswerPtr = std::unique_ptr<swarm::ForwardedAnswer>;

/// Once, on a connection of its own.
net::Task<Result<AnswerPtr>> ask(net::Loop& loop, swarm::Manager& manager,
                                 net::ClientRequest request, net::Until until) {
    auto client = std::make_unique<net::HttpClient>(loop, net::Address{});
    client->use_connector([&manager](net::Until most) { return manager.open_tunnel(most); });
    CO_TRY_LET(exchange, co_await client->send(std::move(request), until));
    CO_TRY_LET(head, co_await exchange->head(until));
    auto answer = std::make_unique<Answer>(std::move(client), std::move(exchange));
    answer->status = head.status;
    for (const auto& [name, value] : head.headers) {
        if (!is_about_the_connection(name)) { answer->headers.add(name, value); }
    }
    co_return AnswerPtr(std::move(answer));
}

} // namespace

net::Task<Result<AnswerPtr>> forward_request(net::Loop& loop, swarm::Manager& manager,
                                             swarm::ForwardedRequest request, net::Until until) {
    const swarm::Manager::Use use(manager);
    net::Cancel cancel(manager.gone());
    if (until.cancel != nullptr) { cancel.follow(*until.cancel); }
    const net::Until limit(until.deadline, cancel);
    const bool writes = request.method != "GET" && request.method != "HEAD";
    // A write is sent once, and its body may be large.
    net::ClientRequest first = outgoing(writes ? std::move(request) : request);
    auto answer = co_await ask(loop, manager, std::move(first), limit);
    // Of a connection that broke, not of a leader that is missing or slow.
    const auto is_lost = [&] {
        return !answer && answer.error().code == Errc::Cancelled && !limit.cancelled();
    };
    if (is_lost() && !writes) { answer = co_await ask(loop, manager, outgoing(request), limit); }
    if (is_lost()) {
        co_return Error{Errc::Unavailable,
                        writes ? "the leader was lost on the way: it is not known whether this was "
                                 "carried out"
                               : "the leader was lost on the way"};
    }
    if (answer && writes) { CO_TRY(co_await manager.catch_up(limit)); }
    co_return answer;
}

} // namespace shoal::node
