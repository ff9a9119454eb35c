// What nghttp2 tells: headers, data, ends; and what it asks for: data to send. These run inside
// receive() and gather(), so they only note things down and wake those who wait.
#include "net/http2_state.h"

namespace shoal::net {

namespace {

using Impl = Http2Connection::Impl;
using State = Http2Stream::State;

Impl& connection_of(void* user_data) { return *static_cast<Impl*>(user_data); }

int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Impl& connection = connection_of(user_data);
    auto state = connection.find(frame->hd.stream_id);
    if (!state) {
        if (connection.role == Http2Role::Client) { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; }
        state = std::make_shared<State>(connection.loop);
        state->id = frame->hd.stream_id;
        state->connection = &connection;
        connection.streams.emplace(state->id, state);
    }
    state->receiving = state->has_head ? &state->trailers : &state->head;
    state->receiving->clear();
    state->block_bytes = 0;
    return 0;
}

int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
              std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
              std::uint8_t, void* user_data) {
    Impl& connection = connection_of(user_data);
    const auto state = connection.find(frame->hd.stream_id);
    if (!state || state->receiving == nullptr) { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; }
    state->block_bytes += name_size + value_size;
    if (state->block_bytes > connection.limits.header_bytes_max ||
        state->receiving->size() >= connection.limits.headers_max) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; // resets the stream
    }
    state->receiving->add(std::string(reinterpret_cast<const char*>(name), name_size),
                          std::string(reinterpret_cast<const char*>(value), value_size));
    return 0;
}

/// "1xx": another head follows.
bool is_interim(const State& state) {
    const auto* status = state.head.get(":status");
    return status != nullptr && status->starts_with('1');
}

void head_complete(Impl& connection, const std::shared_ptr<State>& state) {
    if (state->has_head || is_interim(*state)) { return; }
    state->has_head = true;
    state->incoming.raise();
    if (connection.role == Http2Role::Server && connection.on_request) {
        connection.on_request(std::make_unique<Http2Stream>(state));
    }
}

bool is_idle(const nghttp2_frame& frame) {
    switch (frame.hd.type) {
    case NGHTTP2_DATA:
        return frame.hd.length == 0;
    case NGHTTP2_WINDOW_UPDATE:
        return false; // there is one for what we send
    default:
        return true;
    }
}

int on_frame_recv(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
    Impl& connection = connection_of(user_data);
    if (is_idle(*frame) && !connection.count_idle_frame()) {
        (void)nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
        return 0;
    }
    const auto state = connection.find(frame->hd.stream_id);
    if (!state) { return 0; }
    const bool headers = frame->hd.type == NGHTTP2_HEADERS;
    if ((headers || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        state->in_ended = true;
        state->incoming.raise();
    }
    if (headers) { head_complete(connection, state); }
    return 0;
}

int on_data_chunk(nghttp2_session* session, std::uint8_t, std::int32_t id,
                  const std::uint8_t* bytes, std::size_t size, void* user_data) {
    const auto state = connection_of(user_data).find(id);
    if (!state || state->dropped) {
        (void)nghttp2_session_consume(session, id, size);
        return 0;
    }
    state->unread.emplace_back(reinterpret_cast<const char*>(bytes), size);
    state->incoming.raise();
    return 0;
}

std::string_view reason(std::uint32_t code) {
    return nghttp2_http2_strerror(code); // "CANCEL", "REFUSED_STREAM"
}

/// Both sides have ended, or one has reset it.
int on_stream_close(nghttp2_session* session, std::int32_t id, std::uint32_t code,
                    void* user_data) {
    Impl& connection = connection_of(user_data);
    const auto state = connection.find(id);
    if (!state) { return 0; }
    connection.streams.erase(id);
    state->connection = nullptr;
    std::size_t unread = 0;
    for (const auto& piece : state->unread) { unread += piece.size(); }
    if (unread > 0) { (void)nghttp2_session_consume_connection(session, unread); }
    if (!state->in_ended || !state->out_ended) {
        state->fail({Errc::Cancelled, "the stream was reset: " + std::string(reason(code))});
    }
    return 0;
}

int on_frame_send(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
    const bool last = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!last) { return 0; }
    const auto state = connection_of(user_data).find(frame->hd.stream_id);
    if (!state) { return 0; }
    state->out_ended = true;
    state->sent.raise();
    if (state->dropped && !state->in_ended) {
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, state->id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

ssize_t no_more_data(nghttp2_session* session, State& state, std::uint32_t* flags) {
    if (!state.finished) {
        state.waiting = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (state.out_trailers.size() > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const auto fields = http2_fields(state.out_trailers);
        const int code = nghttp2_submit_trailer(session, state.id, fields.data(), fields.size());
        if (code != 0) { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; }
    }
    return 0;
}

std::size_t take_unsent(State& state, char* into, std::size_t room) {
    std::size_t used = 0;
    while (used < room && !state.unsent.empty()) {
        const std::string& piece = state.unsent.front();
        const std::size_t count = piece.copy(into + used, room - used, state.unsent_offset);
        used += count;
        state.unsent_offset += count;
        if (state.unsent_offset == piece.size()) {
            state.unsent.pop_front();
            state.unsent_offset = 0;
        }
    }
    state.unsent_bytes -= used;
    return used;
}

ssize_t read_unsent(nghttp2_session* session, std::int32_t, std::uint8_t* into, std::size_t room,
                    std::uint32_t* flags, nghttp2_data_source* source, void*) {
    State& state = *static_cast<State*>(source->ptr);
    if (state.unsent_bytes == 0) { return no_more_data(session, state, flags); }
    const std::size_t used = take_unsent(state, reinterpret_cast<char*>(into), room);
    state.sent.raise();
    return static_cast<ssize_t>(used);
}

/// Larger frames than the protocol's 16 KiB where the peer takes them.
ssize_t frame_length(nghttp2_session* session, std::uint8_t, std::int32_t,
                     std::int32_t connection_window, std::int32_t stream_window,
                     std::uint32_t frame_bytes_max, void*) {
    constexpr std::int32_t useful_bytes = 256 * 1024;
    (void)session;
    const std::int32_t window = std::min(connection_window, stream_window);
    return std::min({window, useful_bytes, static_cast<std::int32_t>(frame_bytes_max)});
}

nghttp2_session_callbacks* make_callbacks() {
    nghttp2_session_callbacks* all = nullptr;
    ASSERT(nghttp2_session_callbacks_new(&all) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(all, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(all, on_frame_send);
    nghttp2_session_callbacks_set_data_source_read_length_callback(all, frame_length);
    return all;
}

} // namespace

nghttp2_session_callbacks* http2_callbacks() {
    static nghttp2_session_callbacks* const all = make_callbacks(); // constant once made
    return all;
}

std::vector<nghttp2_nv> http2_fields(const Headers& headers) {
    std::vector<nghttp2_nv> fields;
    fields.reserve(headers.size());
    for (const auto& [name, value] : headers) {
        nghttp2_nv field{};
        // nghttp2 copies both and writes to neither.
        field.name = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data()));
        field.namelen = name.size();
        field.value = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data()));
        field.valuelen = value.size();
        field.flags = NGHTTP2_NV_FLAG_NONE;
        fields.push_back(field);
    }
    return fields;
}

nghttp2_data_provider http2_provider(State& state) {
    nghttp2_data_provider provider{};
    provider.source.ptr = &state;
    provider.read_callback = read_unsent;
    return provider;
}

Error http2_error(std::string_view what, int code) {
    return internal(std::string(what) + ": " + nghttp2_strerror(code));
}

} // namespace shoal::net
