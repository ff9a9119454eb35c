#include "net/http_client.h"

#include "base/text.h"
#include "net/http_connection.h"

#include <poll.h>

namespace shoal::net {

namespace {
constexpr std::size_t kept_connections_max = 4;

bool is_still_open(const Stream& stream) {
    pollfd look{stream.raw(), POLLIN | POLLRDHUP, 0};
    return stream.raw() >= 0 &&
           ::poll(&look, 1, 0) == 0; // bytes nobody asked for are as bad as an end
}
} // namespace

struct HttpClient::Impl : std::enable_shared_from_this<Impl> {
    Impl(Loop& on, Address address_, std::shared_ptr<TlsClient> tls_, std::string host_)
        : loop(on), address(std::move(address_)), tls(std::move(tls_)), host(std::move(host_)) {
        if (!host.empty()) { return; }
        host = address.kind == Address::Kind::Unix ? "docker"
                                                   : address.text().substr(6); // behind "tcp://"
    }
    Loop& loop;
    Address address;
    std::shared_ptr<TlsClient> tls;
    std::string host;
    std::vector<StreamPtr> kept;
    std::optional<Address> proxy;
    std::string proxy_authorization;
    Connector connector;

    bool absolute_targets() const { return proxy.has_value() && !tls; }

    /// Asks the proxy for a way to the server; what follows on the stream is between us and it.
    static Task<Result<void>> ask_for_tunnel(std::shared_ptr<Impl> self, Stream* stream,
                                             Until until) {
        const std::string target = self->address.text().substr(6); // behind "tcp://"
        std::string head = "CONNECT " + target + " HTTP/1.1\r\n";
        append_header(head, "Host", target);
        if (!self->proxy_authorization.empty()) {
            append_header(head, "Proxy-Authorization", self->proxy_authorization);
        }
        head.append("\r\n");
        CO_TRY(co_await stream->write_all(head, until));
        MessageReader reader(*stream, HttpParser::Kind::ResponseToHead,
                             ParserLimits{64 * 1024, 128, 0});
        CO_TRY_LET(answered, co_await reader.wait_first(until));
        if (!answered) {
            co_return Error{Errc::Unavailable,
                            "the proxy " + self->proxy->text() + " closed the connection"};
        }
        CO_TRY(co_await reader.read_head(until));
        const ResponseHead& answer = reader.parser().response();
        if (answer.status != 200) {
            co_return Error{Errc::Unavailable, "the proxy " + self->proxy->text() + " answered " +
                                                   std::to_string(answer.status) + " " +
                                                   answer.reason};
        }
        if (!reader.take_left().empty()) {
            co_return invalid("the proxy " + self->proxy->text() + " spoke out of turn");
        }
        co_return ok();
    }

    static Task<Result<StreamPtr>> open(std::shared_ptr<Impl> self, Until until) {
        if (self->connector) { co_return co_await self->connector(until); }
        const Address to = self->proxy ? *self->proxy : self->address;
        CO_TRY_LET(stream, co_await net::connect(self->loop, to, until));
        if (self->proxy && self->tls) {
            CO_TRY(co_await ask_for_tunnel(self, stream.get(), until));
        }
        if (!self->tls) { co_return std::move(stream); }
        co_return co_await connect_tls(self->loop, std::move(stream), self->tls, self->address.host,
                                       until);
    }
    StreamPtr take_kept() {
        while (!kept.empty()) {
            StreamPtr stream = std::move(kept.back());
            kept.pop_back();
            if (is_still_open(*stream)) { return stream; }
        }
        return nullptr;
    }
    void keep(StreamPtr stream) {
        if (kept.size() < kept_connections_max && is_still_open(*stream)) {
            kept.push_back(std::move(stream));
        }
    }
};

class ClientExchange::Impl {
  public:
    Impl(std::shared_ptr<HttpClient::Impl> client, ClientRequest request)
        : client_(std::move(client)), request_(std::move(request)) {}

    Task<Result<void>> start(Until until) {
        StreamPtr stream = client_->take_kept();
        reused_ = stream != nullptr;
        if (!stream) {
            CO_TRY_LET(fresh, co_await HttpClient::Impl::open(client_, until));
            stream = std::move(fresh);
        }
        use(std::move(stream));
        auto sent = co_await send_request(until);
        if (!sent && may_retry(sent.error())) { co_return co_await retry(until); }
        // A server may refuse early and close; its answer is worth more than the broken write.
        if (!sent && sent.error().code != Errc::Cancelled) { co_return sent; }
        co_return ok();
    }

    Task<Result<void>> write(std::string_view bytes, Until until) {
        ASSERT(request_.streamed && !body_ended_);
        if (bytes.empty()) { co_return ok(); }
        char size[20];
        const int length = std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
        const std::string_view head(size, static_cast<std::size_t>(length));
        CO_TRY(co_await stream_->write_all(head, bytes, until));
        co_return co_await stream_->write_all("\r\n", until);
    }
    Task<Result<void>> end_body(Until until) {
        ASSERT(request_.streamed && !body_ended_);
        body_ended_ = true;
        co_return co_await stream_->write_all("0\r\n\r\n", until);
    }

    Task<Result<ResponseHead>> head(Until until) {
        while (!reader_->parser().head_done()) {
            auto got = co_await read_head(until);
            if (!got && may_retry(got.error())) {
                CO_TRY(co_await retry(until));
                continue;
            }
            if (!got) {
                co_return std::move(got).error().with(request_.method + " " + request_.target);
            }
            const int status = reader_->parser().response().status;
            if (status < 200 && status != 101) { reader_->next_message(kind()); }
        }
        co_return reader_->parser().response();
    }

    Task<Result<std::size_t>> read_some(std::span<char> into, Until until) {
        if (!reader_->parser().head_done()) { CO_TRY(co_await head(until)); }
        if (!stream_) { co_return std::size_t{0}; }
        CO_TRY_LET(got, co_await reader_->read_body(into, until));
        if (reader_->parser().done()) { give_back(); }
        co_return got;
    }

    Task<Result<std::string>> read_body(std::size_t bytes_max, Until until) {
        CO_TRY(co_await head(until));
        std::string body;
        std::size_t used = 0;
        for (;;) {
            body.resize(
                std::max<std::size_t>(used + 4096, std::min<std::size_t>(2 * used, bytes_max)));
            const std::span<char> into(body.data() + used, body.size() - used);
            CO_TRY_LET(got, co_await read_some(into, until));
            if (got == 0) { break; }
            used += got;
            if (used > bytes_max) {
                co_return Error{Errc::Exhausted, "the answer is larger than " +
                                                     std::to_string(bytes_max) + " bytes"};
            }
        }
        body.resize(used);
        co_return body;
    }

    Result<StreamPtr> upgrade() {
        if (!reader_ || !reader_->parser().head_done() || !stream_) {
            return internal("upgrade: there is no answer yet");
        }
        return with_prefix(reader_->take_left(), std::move(stream_));
    }

  private:
    HttpParser::Kind kind() const {
        return request_.method == "HEAD" ? HttpParser::Kind::ResponseToHead
                                         : HttpParser::Kind::Response;
    }
    void use(StreamPtr stream) {
        stream_ = std::move(stream);
        reader_.emplace(*stream_, kind(), ParserLimits{1 << 20, 1000, 0});
        answered_ = false;
    }
    bool may_retry(const Error& error) const {
        return reused_ && !request_.streamed && !answered_ && error.code == Errc::Cancelled;
    }
    Task<Result<void>> retry(Until until) {
        reused_ = false;
        CO_TRY_LET(stream, co_await HttpClient::Impl::open(client_, until));
        use(std::move(stream));
        co_return co_await send_request(until);
    }
    Task<Result<void>> read_head(Until until) {
        CO_TRY_LET(first, co_await reader_->wait_first(until));
        if (!first) {
            co_return Error{Errc::Cancelled, "the server closed the connection without an answer"};
        }
        answered_ = true;
        co_return co_await reader_->read_head(until);
    }
    Task<Result<void>> send_request(Until until) {
        const std::string head = request_head();
        co_return co_await stream_->write_all(head, request_.body, until);
    }
    std::string request_head() const {
        const bool absolute = client_->absolute_targets();
        std::string head = request_.method + " " + (absolute ? "http://" + client_->host : "") +
                           request_.target + " HTTP/1.1\r\n";
        if (absolute && !client_->proxy_authorization.empty()) {
            append_header(head, "Proxy-Authorization", client_->proxy_authorization);
        }
        if (!request_.headers.has("Host")) { append_header(head, "Host", client_->host); }
        for (const auto& [name, value] : request_.headers) { append_header(head, name, value); }
        const bool must_say_length =
            request_.method == "POST" || request_.method == "PUT" || !request_.body.empty();
        if (request_.streamed) {
            append_header(head, "Transfer-Encoding", "chunked");
        } else if (must_say_length) {
            append_header(head, "Content-Length", std::to_string(request_.body.size()));
        }
        head.append("\r\n");
        return head;
    }
    void give_back() {
        const bool clean = reader_->idle() && reader_->parser().keep_alive() &&
                           (!request_.streamed || body_ended_) &&
                           reader_->parser().response().status != 101;
        if (clean) { client_->keep(std::move(stream_)); }
        if (reader_->parser().response().status != 101) { stream_.reset(); }
    }

    std::shared_ptr<HttpClient::Impl> client_;
    ClientRequest request_;
    StreamPtr stream_;
    std::optional<MessageReader> reader_;
    bool reused_ = false;
    bool answered_ = false;
    bool body_ended_ = false;
};

ClientExchange::ClientExchange(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClientExchange::~ClientExchange() = default;
Task<Result<void>> ClientExchange::write(std::string_view bytes, Until until) {
    return impl_->write(bytes, until);
}
Task<Result<void>> ClientExchange::end_body(Until until) { return impl_->end_body(until); }
Task<Result<ResponseHead>> ClientExchange::head(Until until) { return impl_->head(until); }
Task<Result<std::size_t>> ClientExchange::read_some(std::span<char> into, Until until) {
    return impl_->read_some(into, until);
}
Task<Result<std::string>> ClientExchange::read_body(std::size_t bytes_max, Until until) {
    return impl_->read_body(bytes_max, until);
}
Result<StreamPtr> ClientExchange::upgrade() { return impl_->upgrade(); }

namespace {
Task<Result<std::unique_ptr<ClientExchange>>>
start_exchange(std::unique_ptr<ClientExchange::Impl> impl, Until until) {
    CO_TRY(co_await impl->start(until));
    co_return std::make_unique<ClientExchange>(std::move(impl));
}

Task<Result<ClientResponse>> whole_exchange(std::unique_ptr<ClientExchange::Impl> impl, Until until,
                                            std::size_t bytes_max) {
    CO_TRY(co_await impl->start(until));
    CO_TRY_LET(head, co_await impl->head(until));
    CO_TRY_LET(body, co_await impl->read_body(bytes_max, until));
    co_return ClientResponse{head.status, std::move(head.headers), std::move(body)};
}
} // namespace

HttpClient::HttpClient(Loop& loop, Address address, std::shared_ptr<TlsClient> tls,
                       std::string host_header)
    : impl_(std::make_shared<Impl>(loop, std::move(address), std::move(tls),
                                   std::move(host_header))) {}
HttpClient::~HttpClient() = default;

void HttpClient::use_proxy(Address proxy, std::string authorization) {
    impl_->proxy = std::move(proxy);
    impl_->proxy_authorization = std::move(authorization);
}

void HttpClient::use_connector(Connector connector) { impl_->connector = std::move(connector); }

Task<Result<std::unique_ptr<ClientExchange>>> HttpClient::send(ClientRequest request, Until until) {
    return start_exchange(std::make_unique<ClientExchange::Impl>(impl_, std::move(request)), until);
}
Task<Result<ClientResponse>> HttpClient::request(ClientRequest request, Until until,
                                                 std::size_t bytes_max) {
    return whole_exchange(std::make_unique<ClientExchange::Impl>(impl_, std::move(request)), until,
                          bytes_max);
}
Task<Result<StreamPtr>> HttpClient::connect(Until until) { return Impl::open(impl_, until); }

} // namespace shoal::net
