#include "net/http.h"

#include "base/json.h"
#include "base/text.h"
#include "net/fd_stream.h"
#include "net/http_connection.h"
#include "net/sleep.h"

#include <ctime>
#include <unistd.h>

namespace shoal::net {

namespace {

constexpr std::size_t unread_body_max = 256 * 1024; ///< read away to keep a connection
constexpr auto unread_body_timeout = std::chrono::seconds(5);
constexpr std::size_t slice_bytes =
    256 * 1024; ///< of a whole answer, each with its own stall timeout
constexpr std::size_t small_chunk_bytes = 16 * 1024;
constexpr auto shortage_pause = std::chrono::milliseconds(100);
constexpr auto linger_timeout = std::chrono::seconds(2);

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

} // namespace

struct HttpServer::Impl {
    Impl(Loop& on, Handler handler_, ServerLimits limits_,
         std::function<void(std::string)> on_error_)
        : loop(on), handler(std::move(handler_)), limits(limits_), on_error(std::move(on_error_)),
          left(on), accepts(on), connections(on) {}

    Loop& loop;
    Handler handler;
    ServerLimits limits;
    std::function<void(std::string)> on_error;
    std::vector<std::unique_ptr<Listener>> listeners;
    Cancel stopping; ///< no further requests
    Cancel give_up;  ///< of running ones too
    Signal left;     ///< a connection has ended
    std::time_t date_second = 0;
    std::string date_text;
    TaskScope accepts; // last: destroyed first
    TaskScope connections;

    ParserLimits parser_limits() const {
        return {limits.header_bytes_max, limits.headers_max, limits.target_bytes_max};
    }
    void report(std::string what) const {
        if (on_error) { on_error(std::move(what)); }
    }
    const std::string& date() {
        const std::time_t now = std::time(nullptr);
        if (now != date_second) {
            std::tm parts{};
            char text[40];
            ::gmtime_r(&now, &parts);
            date_text.assign(text,
                             std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
            date_second = now;
        }
        return date_text;
    }
};

class Exchange::Impl {
  public:
    enum class State { Open, Streaming, Ended, Upgraded, Broken };

    Impl(HttpServer::Impl& server, StreamPtr& stream, MessageReader& reader)
        : server_(server), stream_(stream), reader_(reader), request_(reader.parser().request()),
          keep_alive_(reader.parser().keep_alive()),
          expects_continue_(reader.parser().wants_continue()) {}

    const RequestHead& request() const { return request_; }
    Loop& loop() const { return server_.loop; }
    State state() const { return state_; }
    /// Whether the connection may carry another request once the body has been read.
    bool reusable() const { return state_ == State::Ended && keep_alive_; }
    std::optional<std::uint64_t> body_length() const { return reader_.parser().length(); }
    int status() const { return status_; }
    std::uint64_t bytes_sent() const { return sent_; }
    std::uint64_t bytes_taken() const { return taken_; }

    Task<Result<std::size_t>> read_some(std::span<char> into, Until until) {
        if (expects_continue_ && !reader_.parser().done() && state_ == State::Open) {
            expects_continue_ = false;
            CO_TRY(co_await stream_->write_all("HTTP/1.1 100 Continue\r\n\r\n", until));
        }
        auto got = co_await reader_.read_body(into, until);
        if (!got) { keep_alive_ = false; }
        if (got) { taken_ += *got; }
        if (wants_gone_) { watch(); }
        co_return got;
    }

    Task<Result<std::string>> read_body(std::size_t bytes_max, Until until) {
        std::string body;
        const auto length = body_length().value_or(0);
        if (length > bytes_max) { co_return too_large(bytes_max); }
        std::size_t used = 0;
        while (!reader_.parser().done()) {
            const std::size_t room = std::max<std::size_t>(length > used ? length - used : 0, 4096);
            body.resize(used + std::min<std::size_t>(room, 64 * 1024));
            const std::span<char> into(body.data() + used, body.size() - used);
            CO_TRY_LET(got, co_await read_some(into, until));
            if (got == 0) { break; }
            used += got;
            if (used > bytes_max) { co_return too_large(bytes_max); }
        }
        body.resize(used);
        co_return body;
    }

    Task<Result<void>> respond(int status, Headers headers, std::string_view body) {
        ASSERT(state_ == State::Open);
        const bool with_body = may_have_body(status);
        std::string head = begin_head(status, headers);
        if (with_body) { append_header(head, "Content-Length", std::to_string(body.size())); }
        head.append("\r\n");
        state_ = State::Broken; // until all of it is sent
        if (!with_body || request_.method == "HEAD") { body = {}; }
        do {
            const auto slice = body.substr(0, slice_bytes);
            CO_TRY(co_await stream_->write_all(head, slice, stall_deadline()));
            head.clear();
            sent_ += slice.size();
            body.remove_prefix(slice.size());
        } while (!body.empty());
        state_ = State::Ended;
        co_return ok();
    }
    Task<Result<void>> respond(Response response) {
        co_return co_await respond(response.status, std::move(response.headers), response.body);
    }

    Task<Result<void>> begin(int status, Headers headers) {
        ASSERT(state_ == State::Open);
        std::string head = begin_head(status, headers);
        silent_ = request_.method == "HEAD" || !may_have_body(status);
        if (const auto* length = headers.get("Content-Length")) {
            append_header(head, "Content-Length", *length);
            remaining_ = std::strtoull(length->c_str(), nullptr, 10);
        } else if (!silent_ && request_.version >= 11) {
            append_header(head, "Transfer-Encoding", "chunked");
            chunked_ = true;
        } else if (!silent_) {
            keep_alive_ = false;
        }
        head.append("\r\n");
        state_ = State::Broken;
        CO_TRY(co_await stream_->write_all(head, stall_deadline()));
        state_ = State::Streaming;
        co_return ok();
    }

    Task<Result<void>> write(std::string_view bytes, Until until) {
        if (state_ != State::Streaming) {
            co_return Error{Errc::Cancelled, "write: the answer was broken off"};
        }
        if (bytes.empty() || silent_) { co_return ok(); }
        if (remaining_ && bytes.size() > *remaining_) {
            co_return internal("write: more bytes than Content-Length says");
        }
        state_ = State::Broken;
        if (chunked_) {
            CO_TRY(co_await write_chunk(bytes, until));
        } else {
            CO_TRY(co_await stream_->write_all(bytes, until));
        }
        if (remaining_) { *remaining_ -= bytes.size(); }
        sent_ += bytes.size();
        state_ = State::Streaming;
        co_return ok();
    }

    Task<Result<void>> write_file(const os::Fd& file, std::uint64_t offset, std::uint64_t length) {
        if (state_ != State::Streaming) {
            co_return Error{Errc::Cancelled, "write: the answer was broken off"};
        }
        if (silent_ || length == 0) { co_return ok(); }
        ASSERT(remaining_ && length <= *remaining_);
        auto* const plain = dynamic_cast<FdStream*>(stream_.get());
        if (plain != nullptr) {
            state_ = State::Broken;
            CO_TRY(co_await FdState::send_file(plain->state(), file.raw(), offset, length,
                                               server_.limits.stall_timeout));
            *remaining_ -= length;
            sent_ += length;
            state_ = State::Streaming;
            co_return ok();
        }
        std::vector<char> buffer(std::min<std::uint64_t>(length, slice_bytes));
        while (length > 0) {
            const auto got =
                ::pread(file.raw(), buffer.data(), std::min<std::uint64_t>(length, buffer.size()),
                        static_cast<off_t>(offset));
            if (got < 0) { co_return os_error("read a file to send", errno); }
            if (got == 0) { co_return internal("the file is shorter than was said"); }
            CO_TRY(
                co_await write({buffer.data(), static_cast<std::size_t>(got)}, stall_deadline()));
            offset += static_cast<std::uint64_t>(got);
            length -= static_cast<std::uint64_t>(got);
        }
        co_return ok();
    }

    Task<Result<void>> end() {
        if (state_ != State::Streaming) {
            co_return Error{Errc::Cancelled, "end: the answer was broken off"};
        }
        state_ = State::Broken;
        if (chunked_) { CO_TRY(co_await stream_->write_all("0\r\n\r\n", stall_deadline())); }
        if (!silent_ && remaining_.value_or(0) > 0) {
            co_return internal("end: fewer bytes than Content-Length says");
        }
        state_ = State::Ended;
        co_return ok();
    }

    Task<Result<StreamPtr>> upgrade(int status, Headers headers) {
        ASSERT(state_ == State::Open);
        CO_TRY(co_await discard_body());
        status_ = status;
        std::string head = start_line(status);
        for (const auto& [name, value] : headers) { append_header(head, name, value); }
        head.append("\r\n");
        state_ = State::Broken;
        watch_.reset();
        CO_TRY(co_await stream_->write_all(head, stall_deadline()));
        state_ = State::Upgraded;
        co_return with_prefix(reader_.take_left(), std::move(stream_));
    }

    /// Reads the rest of the request's body away, so that what follows is the next request.
    Task<Result<void>> discard_body() {
        std::size_t total = 0;
        const Until until(Deadline::in(unread_body_timeout));
        while (!reader_.parser().done()) {
            if (expects_continue_ || total > unread_body_max) {
                co_return invalid("unread request body");
            }
            char buffer[4096];
            CO_TRY_LET(got, co_await reader_.read_body(buffer, until));
            total += got;
        }
        co_return ok();
    }

    Cancel& gone() {
        if (!wants_gone_) { gone_.follow(server_.give_up); }
        wants_gone_ = true;
        watch();
        return gone_;
    }

  private:
    static Error too_large(std::size_t bytes_max) {
        return invalid("request body too large: more than " + std::to_string(bytes_max) + " bytes");
    }
    Until stall_deadline() const { return Deadline::in(server_.limits.stall_timeout); }

    std::string start_line(int status) const {
        std::string head;
        head.reserve(512);
        head.append("HTTP/1.1 ")
            .append(std::to_string(status))
            .append(" ")
            .append(reason_phrase(status))
            .append("\r\n");
        return head;
    }

    std::string begin_head(int status, const Headers& headers) {
        status_ = status;
        std::string head = start_line(status);
        for (const auto& [name, value] : headers) {
            if (equals_ignore_case(name, "Connection") && equals_ignore_case(value, "close")) {
                keep_alive_ = false;
            }
            if (!is_framing(name)) { append_header(head, name, value); }
        }
        append_header(head, "Date", server_.date());
        // A client that waits for "100 Continue" may or may not send its body after another answer.
        const bool body_in_doubt = expects_continue_ && !reader_.parser().done();
        keep_alive_ = keep_alive_ && !server_.stopping.cancelled() && !body_in_doubt;
        if (!keep_alive_) {
            append_header(head, "Connection", "close");
        } else if (request_.version < 11) {
            append_header(head, "Connection", "keep-alive");
        }
        return head;
    }

    static bool is_framing(std::string_view name) {
        return equals_ignore_case(name, "Connection") ||
               equals_ignore_case(name, "Content-Length") ||
               equals_ignore_case(name, "Transfer-Encoding");
    }

    Task<Result<void>> write_chunk(std::string_view bytes, Until until) {
        char size[20];
        const int length = std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
        const std::string_view head(size, static_cast<std::size_t>(length));
        if (bytes.size() > small_chunk_bytes) {
            CO_TRY(co_await stream_->write_all(head, bytes, until));
            co_return co_await stream_->write_all("\r\n", until);
        }
        chunk_.assign(head).append(bytes).append("\r\n");
        co_return co_await stream_->write_all(chunk_, until);
    }

    void watch() {
        if (watch_ || !reader_.parser().done() || !stream_) { return; }
        watch_.emplace(server_.loop);
        watch_->spawn(watch_peer(*this));
    }
    static Task<void> watch_peer(Impl& self) {
        Until never;
        const Wake wake = co_await self.stream_->wait_gone(never);
        if (wake == Wake::Raised) { self.gone_.cancel(); }
    }

    HttpServer::Impl& server_;
    StreamPtr& stream_;
    MessageReader& reader_;
    const RequestHead& request_;
    State state_ = State::Open;
    bool keep_alive_;
    bool expects_continue_;
    bool chunked_ = false;
    bool silent_ = false; ///< the answer has no body, whatever is written
    bool wants_gone_ = false;
    std::optional<std::uint64_t> remaining_;
    int status_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t taken_ = 0;
    std::string chunk_;
    Cancel gone_;
    std::optional<TaskScope> watch_;
};

const RequestHead& Exchange::request() const { return impl_->request(); }
Loop& Exchange::loop() const { return impl_->loop(); }
Task<Result<std::size_t>> Exchange::read_some(std::span<char> into, Until until) {
    return impl_->read_some(into, until);
}
Task<Result<std::string>> Exchange::read_body(std::size_t bytes_max, Until until) {
    return impl_->read_body(bytes_max, until);
}
std::optional<std::uint64_t> Exchange::body_length() const { return impl_->body_length(); }
Task<Result<void>> Exchange::respond(Response response) {
    return impl_->respond(std::move(response));
}
Task<Result<void>> Exchange::respond(int status, Headers headers, std::string_view body) {
    return impl_->respond(status, std::move(headers), body);
}
Task<Result<void>> Exchange::begin(int status, Headers headers) {
    return impl_->begin(status, std::move(headers));
}
Task<Result<void>> Exchange::write(std::string_view bytes, Until until) {
    return impl_->write(bytes, until);
}
Task<Result<void>> Exchange::write_file(const os::Fd& file, std::uint64_t offset,
                                        std::uint64_t length) {
    return impl_->write_file(file, offset, length);
}
Task<Result<void>> Exchange::end() { return impl_->end(); }
Task<Result<StreamPtr>> Exchange::upgrade(int status, Headers headers) {
    return impl_->upgrade(status, std::move(headers));
}
bool Exchange::begun() const { return impl_->state() != Impl::State::Open; }
Cancel& Exchange::gone() { return impl_->gone(); }
int Exchange::status() const { return impl_->status(); }
std::uint64_t Exchange::bytes_sent() const { return impl_->bytes_sent(); }
std::uint64_t Exchange::bytes_taken() const { return impl_->bytes_taken(); }

namespace {

using Server = HttpServer::Impl;

std::string message_json(const std::string& message) {
    return dump_json(Json{{"message", message}}) + "\n";
}

/// The peer gets to read the answer before a reset can destroy it (RFC 9112 section 9.6).
Task<void> close_gently(StreamPtr& stream) {
    const Until until(Deadline::in(linger_timeout));
    const auto shut = co_await stream->shutdown_write(until);
    bool more = shut.has_value();
    for (std::size_t total = 0; more && total < (1U << 20);) {
        char buffer[4096];
        const auto got = co_await stream->read_some(buffer, until);
        more = got && *got > 0;
        total += more ? *got : 0;
    }
    stream->close();
}

Task<void> refuse(Server& server, StreamPtr& stream, int status, std::string message) {
    const auto body = message_json(message);
    std::string head = "HTTP/1.1 " + std::to_string(status) + " ";
    head.append(reason_phrase(status)).append("\r\n");
    append_header(head, "Content-Type", "application/json");
    append_header(head, "Date", server.date());
    append_header(head, "Connection", "close");
    append_header(head, "Content-Length", std::to_string(body.size()));
    head.append("\r\n");
    const auto sent = co_await stream->write_all(head, body, Deadline::in(linger_timeout));
    if (sent) { co_await close_gently(stream); }
}

Task<std::optional<std::string>> run_handler(Server& server, Exchange& exchange) {
    std::optional<std::string> failure;
    try {
        Task<void> task = server.handler(exchange);
        co_await std::move(task);
    } catch (const std::exception& error) { failure = error.what(); } catch (...) {
        failure = "unknown exception";
    }
    co_return failure;
}

/// Runs the handler and finishes the exchange; true when the connection goes on.
Task<bool> answer(Server& server, StreamPtr& stream, MessageReader& reader) {
    using State = Exchange::Impl::State;
    Exchange::Impl impl(server, stream, reader);
    Exchange exchange(impl);
    const auto failure = co_await run_handler(server, exchange);
    if (failure) {
        server.report(impl.request().method + " " + impl.request().path + ": " + *failure);
    }
    if (impl.state() == State::Upgraded) { co_return false; }
    if (impl.state() == State::Open) {
        const auto body = message_json(failure.value_or("no answer was given"));
        Headers headers;
        headers.add("Content-Type", "application/json");
        const auto sent = co_await impl.respond(500, std::move(headers), body);
        if (!sent) { co_return false; }
    }
    if (impl.state() != State::Ended) {
        stream->close();
        co_return false;
    }
    if (impl.reusable()) {
        const auto discarded = co_await impl.discard_body();
        if (discarded) { co_return true; }
    }
    co_await close_gently(stream);
    co_return false;
}

/// Reads one request and has it answered; true when the connection goes on.
Task<bool> serve_one(Server& server, StreamPtr& stream, MessageReader& reader, bool tcp,
                     std::string peer_name) {
    const Until idle(Deadline::in(server.limits.idle_timeout), server.stopping);
    const auto first = co_await reader.wait_first(idle);
    if (!first || !*first) { co_return false; }
    const Until head_by(Deadline::in(server.limits.header_timeout), server.stopping);
    const auto head = co_await reader.read_head(head_by);
    if (!head) {
        if (head.error().code == Errc::Timeout) {
            co_await refuse(server, stream, 408, "request head not complete in time");
        } else if (head.error().code == Errc::Invalid) {
            co_await refuse(server, stream, reader.parser().refusal(), head.error().message);
        }
        co_return false;
    }
    RequestHead& request = reader.parser().request();
    if (request.version >= 11 && !request.headers.has("Host")) {
        co_await refuse(server, stream, 400, "missing required Host header");
        co_return false;
    }
    request.peer = stream->peer();
    request.tcp = tcp;
    request.peer_name = std::move(peer_name);
    co_return co_await answer(server, stream, reader);
}

struct Leaving {
    Server& server;
    ~Leaving() { server.left.raise(); }
};

Task<void> serve_connection(Server& server, StreamPtr stream, std::shared_ptr<TlsServer> tls,
                            bool tcp) {
    const Leaving leaving{server};
    if (tls) {
        const Until until(Deadline::in(server.limits.header_timeout), server.stopping);
        auto secure = co_await accept_tls(server.loop, std::move(stream), tls, until);
        if (!secure) { co_return; }
        stream = std::move(*secure);
    }
    const std::string peer_name = peer_common_name(*stream);
    MessageReader reader(*stream, HttpParser::Kind::Request, server.parser_limits());
    for (;;) {
        const bool again = co_await serve_one(server, stream, reader, tcp, peer_name);
        if (!again || server.stopping.cancelled()) { co_return; }
        reader.next_message(HttpParser::Kind::Request);
    }
}

Task<void> accept_connections(Server& server, Listener& listener, std::shared_ptr<TlsServer> tls) {
    const Until until(server.stopping);
    while (!server.stopping.cancelled()) {
        if (server.connections.size() >= server.limits.connections_max) {
            co_await server.left.wait(until);
            continue;
        }
        auto stream = co_await listener.accept(until);
        if (stream) {
            server.connections.spawn(
                serve_connection(server, std::move(*stream), tls, listener.is_tcp()));
            continue;
        }
        if (stream.error().code == Errc::Cancelled) { co_return; }
        server.report(stream.error().message);
        const Until pause(Deadline::in(shortage_pause), server.stopping);
        co_await sleep(server.loop, pause);
    }
}

} // namespace

HttpServer::HttpServer(Loop& loop, Handler handler, ServerLimits limits,
                       std::function<void(std::string)> on_error)
    : impl_(std::make_shared<Impl>(loop, std::move(handler), limits, std::move(on_error))) {}

HttpServer::~HttpServer() = default;

void HttpServer::serve(std::unique_ptr<Listener> listener, std::shared_ptr<TlsServer> tls) {
    Listener& kept = *impl_->listeners.emplace_back(std::move(listener));
    impl_->accepts.spawn(accept_connections(*impl_, kept, std::move(tls)));
}

void HttpServer::serve_stream(StreamPtr stream) {
    impl_->connections.spawn(serve_connection(*impl_, std::move(stream), nullptr, false));
}

std::size_t HttpServer::connections() const { return impl_->connections.size(); }

Task<void> HttpServer::stop(Deadline deadline, std::chrono::milliseconds grace) {
    Impl& impl = *impl_;
    impl.stopping.cancel();
    for (auto& listener : impl.listeners) { listener->close(); }
    co_await impl.accepts.close();
    co_await impl.connections.drain(deadline);
    impl.give_up.cancel();
    co_await impl.connections.drain(Deadline::in(grace));
    impl.connections.destroy_all();
}

} // namespace shoal::net
