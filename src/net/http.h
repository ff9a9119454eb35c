// The words of HTTP/1.1 and its server: listeners, connections, limits, and the Exchange that a
// handler answers on. It knows nothing of routes, JSON bodies or Docker. HTTP/2 is not spoken; a
// client may upgrade to a raw stream.
#pragma once

#include "net/listener.h"
#include "net/tls.h"

#include <functional>
#include <map>
#include <vector>

namespace shoal::net {

/// In order of appearance; names compare without regard to case.
class Headers {
  public:
    Headers() = default;
    Headers(std::initializer_list<std::pair<std::string, std::string>> all)
        : all_(all.begin(), all.end()) {}
    /// The first value of that name, or nullptr.
    const std::string* get(std::string_view name) const;
    std::string_view get_or(std::string_view name, std::string_view otherwise) const;
    bool has(std::string_view name) const { return get(name) != nullptr; }
    /// Whether the comma-separated values of `name` contain `token`, without regard to case.
    bool has_token(std::string_view name, std::string_view token) const;
    void add(std::string name, std::string value) {
        all_.emplace_back(std::move(name), std::move(value));
    }
    void set(std::string_view name, std::string value); ///< replaces all of that name
    void remove(std::string_view name);
    auto begin() const { return all_.begin(); }
    auto end() const { return all_.end(); }
    std::size_t size() const { return all_.size(); }
    void clear() { all_.clear(); }

  private:
    std::vector<std::pair<std::string, std::string>> all_;
};

/// Query parameters, decoded ('+' is a space), in order of appearance.
using Query = std::vector<std::pair<std::string, std::string>>;
/// Malformed escapes are Errc::Invalid.
Result<Query> parse_query(std::string_view text);

struct RequestHead {
    std::string method; ///< as sent: "GET"
    std::string target; ///< as sent: "/v1.51/containers/json?all=1", "*"
    std::string path;   ///< the target before '?', still percent-encoded
    Query query;
    Headers headers;
    int version = 11;      ///< 10 or 11
    std::string peer;      ///< Stream::peer()
    bool tcp = false;      ///< came over tcp rather than a unix socket
    std::string peer_name; ///< common name of the client certificate, or ""

    const std::string* param(std::string_view name) const; ///< first value, or nullptr
    std::vector<std::string> params(std::string_view name) const;
};

struct Response {
    int status = 200;
    Headers headers;
    std::string body;
};

std::string_view reason_phrase(int status);

/// One request and its answer. A handler calls respond(), or begin() write()* end(), or upgrade(),
/// once; when it returns without any of them the server answers 500; when it returns between
/// begin() and end() the connection is broken off, so that the client sees a truncated answer. Not
/// thread safe.
class Exchange {
  public:
    class Impl;
    explicit Exchange(Impl& impl) : impl_(&impl) {}

    const RequestHead& request() const;
    Loop& loop() const;

    /// The next piece of the request's body, 0 at its end; sends "100 Continue" first when the
    /// client waits for it. Errc::Invalid when the framing is wrong, Errc::Cancelled when the
    /// client went away.
    Task<Result<std::size_t>> read_some(std::span<char> into, Until until = {});
    /// The whole body; Errc::Invalid when it is larger than `bytes_max`.
    Task<Result<std::string>> read_body(std::size_t bytes_max, Until until = {});
    /// Content-Length, or nothing for a chunked body; 0 when there is none.
    std::optional<std::uint64_t> body_length() const;

    /// A whole answer with Content-Length, in one write. For HEAD the body is counted but not sent;
    /// for 204 and 304 it is dropped. Connection and framing headers are the server's business.
    Task<Result<void>> respond(Response response);
    /// The same with a body that somebody else keeps until the task ends (large prepared answers,
    /// no copy).
    Task<Result<void>> respond(int status, Headers headers, std::string_view body);

    /// A streamed answer: the headers go out at once. Chunked for HTTP/1.1 (unless `headers` has
    /// Content-Length), until close for HTTP/1.0. After an error nothing more can be sent.
    Task<Result<void>> begin(int status, Headers headers);
    Task<Result<void>> write(std::string_view bytes, Until until = {});
    /// A part of a file, between begin() with its Content-Length and end(); by sendfile where the
    /// connection has no TLS. `file` must stay open until the task ends; its position is not used.
    Task<Result<void>> write_file(const os::Fd& file, std::uint64_t offset, std::uint64_t length);
    Task<Result<void>> end();

    /// Sends the head (101, or 200 without length) and hands over the connection as raw bytes;
    /// those that came behind the request are read first. "Connection: Upgrade" and "Upgrade" are
    /// the caller's to give. The exchange is over afterwards.
    Task<Result<StreamPtr>> upgrade(int status, Headers headers);

    bool
    begun() const; ///< something of the answer has been sent: no error status is possible any more
    /// Fires when the client goes away (after its request body has been read to the end) or the
    /// server gives up on running requests. Watching begins with the first call.
    Cancel& gone();

    int status() const;                ///< of the answer; 0 before there is one
    std::uint64_t bytes_sent() const;  ///< of the answer's body, so far
    std::uint64_t bytes_taken() const; ///< of the request's body, so far

  private:
    Impl* impl_;
};

using Handler = std::function<Task<void>(Exchange&)>;

struct ServerLimits {
    std::size_t header_bytes_max = 64 * 1024; ///< request line and headers together; 431
    std::size_t headers_max = 128;            ///< 431
    std::size_t target_bytes_max = 32 * 1024; ///< 414
    std::size_t connections_max = 8192;       ///< further ones wait in the kernel's backlog
    std::chrono::seconds header_timeout{
        30}; ///< from the first byte of a request to the end of its head; 408
    std::chrono::seconds idle_timeout{300}; ///< between requests
    std::chrono::seconds stall_timeout{
        120}; ///< of one respond() without a byte taken by the client
};

class HttpServer {
  public:
    /// `on_error` is told of exceptions in handlers and failing accepts (log lines); may be empty.
    HttpServer(Loop& loop, Handler handler, ServerLimits limits = {},
               std::function<void(std::string)> on_error = {});
    /// stop() must have been awaited if anything was ever listened on and the loop still runs.
    ~HttpServer();

    /// Accepts from now on; with TLS when `tls` is given.
    void serve(std::unique_ptr<Listener> listener, std::shared_ptr<TlsServer> tls = nullptr);
    /// A connection made elsewhere (tests, a socket pair).
    void serve_stream(StreamPtr stream);
    std::size_t connections() const;

    /// Stops accepting, closes idle connections, waits for running handlers until `deadline`, then
    /// fires their gone(), and closes connections under those that do not end within `grace`.
    /// Upgraded streams belong to their handlers, which are waited for too.
    Task<void> stop(Deadline deadline, std::chrono::milliseconds grace = std::chrono::seconds(1));

    struct Impl;

  private:
    std::shared_ptr<Impl> impl_;
};

} // namespace shoal::net
