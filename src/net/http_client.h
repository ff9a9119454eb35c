// HTTP/1.1 client over a unix socket, tcp or TLS, with connections kept for reuse. It follows no
// redirects, keeps no cookies and decodes no Content-Encoding: callers see what the server sent.
#pragma once

#include "net/http.h"

namespace shoal::net {

struct ClientRequest {
    std::string method = "GET";
    std::string target = "/"; ///< path and query, already encoded
    Headers headers;          ///< Host, Content-Length, Transfer-Encoding and Connection are added
    std::string body;         ///< a fixed body
    bool streamed = false;    ///< the body comes by ClientExchange::write() instead, chunked
};

struct ResponseHead {
    int status = 0;
    std::string reason;
    Headers headers;
    int version = 11;
};

struct ClientResponse {
    int status = 0;
    Headers headers;
    std::string body;
};

/// One request under way. Destroying it before the answer was read to its end closes the
/// connection.
class ClientExchange {
  public:
    class Impl;
    explicit ClientExchange(std::unique_ptr<Impl> impl);
    ~ClientExchange();

    /// Streamed bodies only. When the server has answered early (an error status), writing may
    /// fail: read the head then.
    Task<Result<void>> write(std::string_view bytes, Until until);
    Task<Result<void>> end_body(Until until);

    /// Waits for the answer's head; 1xx other than 101 are skipped. May be called again.
    Task<Result<ResponseHead>> head(Until until);
    /// The next piece of the answer's body, 0 at its end. Reads the head first if that was not
    /// done.
    Task<Result<std::size_t>> read_some(std::span<char> into, Until until);
    /// The whole (rest of the) body; Errc::Exhausted when larger than `bytes_max`.
    Task<Result<std::string>> read_body(std::size_t bytes_max, Until until);
    /// After head() said 101, or 200 to a request that hijacks: the raw connection. Bytes already
    /// read come first.
    Result<StreamPtr> upgrade();

  private:
    std::unique_ptr<Impl> impl_;
};

class HttpClient {
  public:
    /// `tls` makes every connection a TLS one. `host_header` defaults to the address (tcp) or
    /// "docker" (unix).
    HttpClient(Loop& loop, Address address, std::shared_ptr<TlsClient> tls = nullptr,
               std::string host_header = "");
    ~HttpClient();

    /// Connections go through an HTTP proxy: with CONNECT for TLS, with absolute targets else.
    /// `authorization` is the value of Proxy-Authorization, "" for none. Before the first request.
    void use_proxy(Address proxy, std::string authorization);

    /// Connections are made so, and not by the address. Before the first request.
    using Connector = std::function<Task<Result<StreamPtr>>(Until)>;
    void use_connector(Connector connector);

    /// Connects, or takes a kept connection, and sends head and fixed body. A kept connection that
    /// turns out to be dead before anything was answered is replaced once, for requests whose body
    /// is fixed.
    Task<Result<std::unique_ptr<ClientExchange>>> send(ClientRequest request, Until until);
    /// send() and the whole answer.
    Task<Result<ClientResponse>> request(ClientRequest request, Until until,
                                         std::size_t bytes_max = 64 << 20);
    /// A raw connection of the same kind, for those who speak something else on it.
    Task<Result<StreamPtr>> connect(Until until);

    struct Impl;

  private:
    std::shared_ptr<Impl> impl_;
};

} // namespace shoal::net
