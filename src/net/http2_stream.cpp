#include "net/http2_state.h"

namespace shoal::net {

namespace {

Error over() { return {Errc::Cancelled, "the connection has ended"}; }

void tell_writer(Http2Stream::State& state) {
    if (state.connection == nullptr) { return; }
    if (state.waiting) {
        state.waiting = false;
        (void)nghttp2_session_resume_data(state.connection->session, state.id);
    }
    state.connection->to_send.raise();
}

/// The reader has taken these bytes: the peer may send as many more.
void give_credit(Http2Stream::State& state, std::size_t bytes) {
    if (state.connection == nullptr || bytes == 0) { return; }
    (void)nghttp2_session_consume(state.connection->session, state.id, bytes);
    state.connection->to_send.raise();
}

using StatePtr = std::shared_ptr<Http2Stream::State>;

// These hold the state, so that the stream may be destroyed meanwhile.
Task<Result<void>> wait_head_of(StatePtr state, Until until) {
    while (!state->has_head) {
        if (state->failure) { co_return *state->failure; }
        const Wake wake = co_await state->incoming.wait(until);
        CO_TRY(to_result(wake, "wait for the answer"));
    }
    co_return ok();
}

Task<Result<std::string>> read_from(StatePtr state, Until until) {
    while (state->unread.empty()) {
        if (state->in_ended) { co_return std::string(); }
        if (state->failure) { co_return *state->failure; }
        const Wake wake = co_await state->incoming.wait(until);
        CO_TRY(to_result(wake, "read"));
    }
    std::string piece = std::move(state->unread.front());
    state->unread.pop_front();
    give_credit(*state, piece.size());
    co_return piece;
}

Task<Result<void>> write_to(StatePtr state, std::string bytes, Until until) {
    ASSERT(!state->finished);
    if (state->failure) { co_return *state->failure; }
    if (state->connection == nullptr) { co_return over(); }
    if (!bytes.empty()) {
        state->unsent_bytes += bytes.size();
        state->unsent.push_back(std::move(bytes));
        tell_writer(*state);
    }
    const auto room = [&state] {
        return state->connection == nullptr ||
               state->unsent_bytes <= state->connection->limits.unsent_bytes_max;
    };
    while (!room() && !state->failure) {
        const Wake wake = co_await state->sent.wait(until);
        CO_TRY(to_result(wake, "write"));
    }
    if (state->failure) { co_return *state->failure; }
    co_return ok();
}

} // namespace

void Http2Stream::State::fail(Error error) {
    if (failure) { return; }
    failure = std::move(error);
    incoming.raise();
    sent.raise();
    loop.post([self = shared_from_this()] { self->gone.cancel(); });
}

Http2Stream::~Http2Stream() {
    State& state = *state_;
    state.dropped = true;
    std::size_t unread = 0;
    for (const auto& piece : state.unread) { unread += piece.size(); }
    state.unread.clear();
    give_credit(state, unread);
    if (state.connection == nullptr || (state.in_ended && state.finished)) { return; }
    if (!state.finished) {
        reset(Http2Reset::Cancel);
    } else if (state.out_ended) {
        reset(Http2Reset::NoError); // else once the rest has been sent
    }
}

Task<Result<void>> Http2Stream::wait_head(Until until) { return wait_head_of(state_, until); }
const Headers& Http2Stream::head() const { return state_->head; }
Task<Result<std::string>> Http2Stream::read(Until until) { return read_from(state_, until); }
const Headers& Http2Stream::trailers() const { return state_->trailers; }
Cancel& Http2Stream::gone() { return state_->gone; }

Result<void> Http2Stream::respond(const Headers& head, Body body) {
    if (state_->failure) { return *state_->failure; }
    if (state_->connection == nullptr) { return over(); }
    const auto fields = http2_fields(head);
    auto provider = http2_provider(*state_);
    const bool none = body == Body::None;
    if (none) { state_->finished = true; }
    const int code = nghttp2_submit_response(state_->connection->session, state_->id, fields.data(),
                                             fields.size(), none ? nullptr : &provider);
    if (code != 0) { return http2_error("answer", code); }
    state_->connection->to_send.raise();
    return ok();
}

Task<Result<void>> Http2Stream::write(std::string bytes, Until until) {
    return write_to(state_, std::move(bytes), until);
}

Result<void> Http2Stream::finish(Headers trailers) {
    ASSERT(!state_->finished);
    if (state_->failure) { return *state_->failure; }
    if (state_->connection == nullptr) { return over(); }
    state_->finished = true;
    state_->out_trailers = std::move(trailers);
    tell_writer(*state_);
    return ok();
}

void Http2Stream::reset(Http2Reset code) {
    if (state_->connection == nullptr) { return; }
    (void)nghttp2_submit_rst_stream(state_->connection->session, NGHTTP2_FLAG_NONE, state_->id,
                                    static_cast<std::uint32_t>(code));
    state_->connection->to_send.raise();
    state_->fail({Errc::Cancelled, "the stream was reset"});
}

} // namespace shoal::net
