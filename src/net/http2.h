// HTTP/2 over any stream, by libnghttp2: one connection that carries many streams, each both ways,
// with flow control that makes a writer wait for its reader. Which side made the connection says
// nothing about who is client: a session's client is the daemon. Not here: getting from HTTP/1 to
// the preface, TLS negotiation, push, priorities.
#pragma once

#include "net/http.h"
#include "net/stream.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace shoal::net {

/// What a peer may make us hold. Passing one ends the stream or, for floods, the connection.
struct Http2Limits {
    std::uint32_t streams_max = 128;            ///< opened by the peer, at once
    std::size_t header_bytes_max = 128 * 1024;  ///< names and values of one block
    std::size_t headers_max = 4096;             ///< of one block
    std::uint32_t stream_window = 2 << 20;      ///< bytes of a stream that wait for their reader
    std::uint32_t connection_window = 16 << 20; ///< of all streams together
    std::uint32_t frame_bytes_max = 256 * 1024;
    std::size_t unsent_bytes_max = 512 * 1024; ///< of one stream; then its writer waits
    /// Frames that carry nothing (PING, SETTINGS, RST_STREAM, empty DATA, requests): so many at
    /// once, refilled at the same number in ten seconds.
    std::uint32_t idle_frames_max = 20'000;
};

enum class Http2Role { Client, Server };

/// Codes of RST_STREAM (RFC 9113 section 7).
enum class Http2Reset : std::uint32_t {
    NoError = 0,
    InternalError = 2,
    RefusedStream = 7,
    Cancel = 8,
    EnhanceYourCalm = 11,
};

/// One request and its answer, from either side. It may outlive its connection: then every
/// operation fails with Cancelled. Destroying it resets the stream unless both sides have ended;
/// what was written and finished is still sent. One reader and one writer at a time.
class Http2Stream {
  public:
    struct State;
    explicit Http2Stream(std::shared_ptr<State> state) : state_(std::move(state)) {}
    ~Http2Stream();
    Http2Stream(const Http2Stream&) = delete;
    Http2Stream& operator=(const Http2Stream&) = delete;

    /// The request (server) or the answer (client, who waits for it), with ":path", ":status" ...
    Task<Result<void>> wait_head(Until until);
    const Headers& head() const;
    /// The next piece of what the peer sends, "" at its end. Fails: Cancelled when the peer has
    /// reset the stream.
    Task<Result<std::string>> read(Until until);
    /// What followed the body; valid after its end.
    const Headers& trailers() const;

    /// Server only, once, before write(). With `end` there is no body.
    enum class Body { Follows, None };
    Result<void> respond(const Headers& head, Body body);
    /// Takes all of it; returns when no more than the limit waits to be sent.
    Task<Result<void>> write(std::string bytes, Until until);
    /// No more is written; trailers may be empty. Returns at once.
    Result<void> finish(Headers trailers);
    void reset(Http2Reset code);

    /// Fires when the peer has reset the stream or the connection has ended.
    Cancel& gone();

  private:
    std::shared_ptr<State> state_;
};
using Http2StreamPtr = std::unique_ptr<Http2Stream>;

class Http2Connection {
  public:
    Http2Connection(Loop& loop, StreamPtr stream, Http2Role role, Http2Limits limits = {});
    ~Http2Connection();
    Http2Connection(const Http2Connection&) = delete;
    Http2Connection& operator=(const Http2Connection&) = delete;

    /// Server: told of every request when its head is complete. Must not wait; spawn a task.
    void on_request(std::function<void(Http2StreamPtr)> told);
    /// Moves the bytes until the peer ends, close() is called, or `until`: then success, and all
    /// streams have failed. Fails for what breaks the protocol. Must run as long as streams are
    /// used.
    Task<Result<void>> run(Until until);
    /// Client: begins a request. `head` has the pseudo-headers first. Fails: Cancelled when the
    /// connection has ended.
    Result<Http2StreamPtr> open(const Headers& head);
    /// Says goodbye and lets run() return once what waits has been sent.
    void close();
    bool ended() const;

    struct Impl;

  private:
    std::shared_ptr<Impl> impl_;
};

} // namespace shoal::net
