// Inside of HTTP/2: what a connection and its streams share. The connection owns nghttp2's session
// and the task that writes; streams refer to it as long as it runs. Only .cpp files of net/ include
// this.
#pragma once

#include "net/http2.h"
#include "net/scope.h"
#include "net/signal.h"

#include <deque>
#include <map>
#include <nghttp2/nghttp2.h>

namespace shoal::net {

struct Http2Stream::State : std::enable_shared_from_this<Http2Stream::State> {
    explicit State(Loop& on) : loop(on), incoming(on), sent(on) {}

    Loop& loop;
    Http2Connection::Impl* connection = nullptr; ///< null once it has ended
    std::int32_t id = 0;
    std::optional<Error> failure; ///< reset by either side, or the connection has ended
    Cancel gone;

    // What comes in.
    Headers head;
    Headers trailers;
    Headers* receiving = nullptr; ///< which of the two the present block goes to
    std::size_t block_bytes = 0;
    bool has_head = false;
    bool in_ended = false;
    std::deque<std::string> unread;
    Signal incoming; ///< head, data, end or failure

    // What goes out.
    std::deque<std::string> unsent;
    std::size_t unsent_offset = 0; ///< into the first piece
    std::size_t unsent_bytes = 0;
    Headers out_trailers;
    bool finished = false;
    bool out_ended = false; ///< END_STREAM has been given to the peer
    bool waiting = false;   ///< nghttp2 asked for data and there was none
    bool dropped = false;   ///< nobody reads any more
    Signal sent;            ///< there is room again, or failure

    /// Once. Tells `gone` later, since what follows from that may be anything.
    void fail(Error error);
};

struct Http2Connection::Impl {
    Impl(Loop& loop, StreamPtr stream, Http2Role role, Http2Limits limits);
    ~Impl();

    using StreamState = std::shared_ptr<Http2Stream::State>;

    Loop& loop;
    StreamPtr stream;
    Http2Role role;
    Http2Limits limits;
    nghttp2_session* session = nullptr;
    std::map<std::int32_t, StreamState> streams;
    std::function<void(Http2StreamPtr)> on_request;
    Signal to_send;
    double idle_tokens;
    Steady tokens_at;
    bool closing = false;
    bool ended = false;

    StreamState find(std::int32_t id) const {
        const auto found = streams.find(id);
        return found == streams.end() ? nullptr : found->second;
    }
    /// False when the peer sends more idle frames than it may.
    bool count_idle_frame();
    Result<void> receive(std::string_view bytes);
    /// Frames that wait, at most about `bytes_max`; "" when there is nothing to send.
    Result<std::string> gather(std::size_t bytes_max);
    void end(const Error& why);
};

/// The functions that nghttp2 calls, their user data being the connection.
nghttp2_session_callbacks* http2_callbacks();
/// Names and values as nghttp2 takes them, without copies.
std::vector<nghttp2_nv> http2_fields(const Headers& headers);
/// Reads what the stream has to send.
nghttp2_data_provider http2_provider(Http2Stream::State& state);
Error http2_error(std::string_view what, int code);

} // namespace shoal::net
