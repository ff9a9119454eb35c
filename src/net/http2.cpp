#include "net/http2.h"

#include "net/http2_state.h"

namespace shoal::net {

namespace {

// There are as many buffers as connections, and most of those are idle.
constexpr std::size_t read_bytes_min = 16 * 1024;
constexpr std::size_t read_bytes_max = 256 * 1024;
constexpr std::size_t write_bytes = 256 * 1024;
constexpr auto farewell_limit = std::chrono::seconds(2);
constexpr double refill_seconds = 10;

struct OptionsOwner {
    nghttp2_option* options = nullptr;
    OptionsOwner() { ASSERT(nghttp2_option_new(&options) == 0); }
    ~OptionsOwner() { nghttp2_option_del(options); }
};

nghttp2_session* make_session(Http2Connection::Impl& connection) {
    const OptionsOwner owner;
    nghttp2_option_set_no_auto_window_update(owner.options, 1); // readers give credit
    nghttp2_option_set_no_closed_streams(owner.options, 1);
    nghttp2_option_set_max_send_header_block_length(owner.options,
                                                    connection.limits.header_bytes_max);
    nghttp2_session* session = nullptr;
    const auto make = connection.role == Http2Role::Client ? nghttp2_session_client_new2
                                                           : nghttp2_session_server_new2;
    ASSERT(make(&session, http2_callbacks(), &connection, owner.options) == 0);
    return session;
}

void submit_settings(Http2Connection::Impl& connection) {
    const Http2Limits& limits = connection.limits;
    const nghttp2_settings_entry all[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, limits.frame_bytes_max},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         static_cast<std::uint32_t>(limits.header_bytes_max)},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    const bool client = connection.role == Http2Role::Client;
    const std::size_t count = std::size(all) - (client ? 0 : 1); // only a client may forbid push
    ASSERT(nghttp2_submit_settings(connection.session, NGHTTP2_FLAG_NONE, all, count) == 0);
    const auto window = static_cast<std::int32_t>(limits.connection_window);
    ASSERT(nghttp2_session_set_local_window_size(connection.session, NGHTTP2_FLAG_NONE, 0,
                                                 window) == 0);
}

using ImplPtr = std::shared_ptr<Http2Connection::Impl>;

bool has_work(const Http2Connection::Impl& connection) {
    if (connection.ended) { return false; }
    return nghttp2_session_want_read(connection.session) != 0 ||
           nghttp2_session_want_write(connection.session) != 0;
}

/// Sends what waits, then waits for more. Ends the reading side when there is nothing left to do.
Task<void> send_frames(ImplPtr self, Until until) {
    for (;;) {
        auto bytes = self->gather(write_bytes);
        if (!bytes) { break; }
        if (!bytes->empty()) {
            const auto sent = co_await self->stream->write_all(*bytes, until);
            if (!sent) { break; }
            continue;
        }
        if (!has_work(*self)) { break; }
        const Wake wake = co_await self->to_send.wait(until);
        if (wake != Wake::Raised) { co_return; }
    }
    self->stream->close();
}

/// More for a peer that fills what there is, little for one that does not.
std::size_t next_read_size(std::size_t size, std::size_t got) {
    if (got == size) { return std::min(4 * size, read_bytes_max); }
    return got <= read_bytes_min ? read_bytes_min : size;
}

Task<Result<void>> receive_frames(ImplPtr self, Until until) {
    std::size_t size = read_bytes_min;
    auto buffer = std::make_unique_for_overwrite<char[]>(size);
    while (has_work(*self)) {
        const std::span<char> into(buffer.get(), size);
        const auto got = co_await self->stream->read_some(into, until);
        if (!got && (self->closing || !has_work(*self))) { co_return ok(); }
        if (!got) { co_return got.error(); }
        if (*got == 0) { co_return ok(); }
        const auto taken = self->receive(std::string_view(buffer.get(), *got));
        self->to_send.raise();
        CO_TRY(taken);
        const std::size_t next = next_read_size(size, *got);
        if (next != size) { buffer = std::make_unique_for_overwrite<char[]>(next); }
        size = next;
    }
    co_return ok();
}

/// A GOAWAY that explains why reaches the peer if it reads at all.
Task<void> say_goodbye(ImplPtr self) {
    const Until until(self->loop.in(farewell_limit));
    auto bytes = self->gather(write_bytes);
    if (!bytes || bytes->empty()) { co_return; }
    const auto sent = co_await self->stream->write_all(*bytes, until);
    (void)sent;
}

Task<Result<void>> run_connection(ImplPtr self, Until until) {
    ASSERT(!self->ended);
    TaskScope writing(self->loop);
    if (until.cancel != nullptr) { writing.cancel().follow(*until.cancel); }
    const Until write_until(until.deadline, writing.cancel());
    writing.spawn(send_frames(self, write_until));
    auto outcome = co_await receive_frames(self, until);
    const bool gave_up = !outcome && until.cancelled();
    co_await writing.close();
    co_await say_goodbye(self);
    self->end({Errc::Cancelled, "the connection has ended"});
    self->stream->close();
    const bool left = !outcome && outcome.error().code == Errc::Cancelled;
    if (gave_up || left) { co_return ok(); }
    co_return outcome;
}

} // namespace

Http2Connection::Impl::Impl(Loop& on, StreamPtr over, Http2Role as, Http2Limits with)
    : loop(on), stream(std::move(over)), role(as), limits(with), to_send(on),
      idle_tokens(with.idle_frames_max), tokens_at(on.now()) {
    session = make_session(*this);
    submit_settings(*this);
}

Http2Connection::Impl::~Impl() {
    end({Errc::Cancelled, "the connection has ended"});
    nghttp2_session_del(session);
}

bool Http2Connection::Impl::count_idle_frame() {
    const auto now = loop.now();
    const double seconds = std::chrono::duration<double>(now - tokens_at).count();
    const auto full = static_cast<double>(limits.idle_frames_max);
    idle_tokens = std::min(full, idle_tokens + seconds * full / refill_seconds) - 1;
    tokens_at = now;
    return idle_tokens >= 0;
}

Result<void> Http2Connection::Impl::receive(std::string_view bytes) {
    const auto taken = nghttp2_session_mem_recv(
        session, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (taken < 0) { return invalid("http2: " + std::string(nghttp2_strerror(int(taken)))); }
    return ok();
}

Result<std::string> Http2Connection::Impl::gather(std::size_t bytes_max) {
    std::string all;
    while (!ended && all.size() < bytes_max) { // nghttp2 refers to the streams, which end() drops
        const std::uint8_t* bytes = nullptr;
        const auto size = nghttp2_session_mem_send(session, &bytes);
        if (size < 0) { return http2_error("http2", int(size)); }
        if (size == 0) { break; }
        all.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
    return all;
}

void Http2Connection::Impl::end(const Error& why) {
    ended = true;
    auto all = std::move(streams);
    streams.clear();
    for (const auto& [id, state] : all) {
        state->connection = nullptr;
        state->fail(why);
    }
}

Http2Connection::Http2Connection(Loop& loop, StreamPtr stream, Http2Role role, Http2Limits limits)
    : impl_(std::make_shared<Impl>(loop, std::move(stream), role, limits)) {}

Http2Connection::~Http2Connection() {
    if (impl_->ended) { return; }
    impl_->end({Errc::Cancelled, "the connection has ended"});
    impl_->stream->close();
}

void Http2Connection::on_request(std::function<void(Http2StreamPtr)> told) {
    impl_->on_request = std::move(told);
}

Task<Result<void>> Http2Connection::run(Until until) { return run_connection(impl_, until); }

Result<Http2StreamPtr> Http2Connection::open(const Headers& head) {
    ASSERT(impl_->role == Http2Role::Client);
    if (impl_->ended || impl_->closing) {
        return Error{Errc::Cancelled, "the connection has ended"};
    }
    auto state = std::make_shared<Http2Stream::State>(impl_->loop);
    auto provider = http2_provider(*state);
    const auto fields = http2_fields(head);
    const auto id = nghttp2_submit_request(impl_->session, nullptr, fields.data(), fields.size(),
                                           &provider, nullptr);
    if (id < 0) { return http2_error("request", id); }
    state->id = id;
    state->connection = impl_.get();
    impl_->streams.emplace(id, state);
    impl_->to_send.raise();
    return std::make_unique<Http2Stream>(std::move(state));
}

void Http2Connection::close() {
    if (impl_->ended || impl_->closing) { return; }
    impl_->closing = true;
    (void)nghttp2_session_terminate_session(impl_->session, NGHTTP2_NO_ERROR);
    impl_->to_send.raise();
}

bool Http2Connection::ended() const { return impl_->ended; }

} // namespace shoal::net
