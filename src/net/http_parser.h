// HTTP/1 messages from bytes, in pieces of any size; a thin cover of Beast's parser that adds
// limits and our own types. It does no input or output. Only .cpp files of net/ and the fuzz target
// include this.
#pragma once

#include "net/http.h"
#include "net/http_client.h"

namespace shoal::net {

struct ParserLimits {
    std::size_t header_bytes_max = 64 * 1024;
    std::size_t headers_max = 128;
    std::size_t target_bytes_max = 32 * 1024;
};

/// One message. After done() it is over; the next message needs reset().
class HttpParser {
  public:
    enum class Kind { Request, Response, ResponseToHead };
    struct Step {
        std::size_t used = 0; ///< bytes of the input that were taken
        std::size_t body = 0; ///< bytes of the body written to `into`
    };

    HttpParser(Kind kind, ParserLimits limits);
    ~HttpParser();
    void reset(Kind kind);

    /// Takes what it can use: one element (head, chunk header, piece of the body). Nothing used and
    /// no body means that more input is needed, together with what was not taken. `into` may be the
    /// input itself: the body is never longer than what it came in. An error is final; refusal() is
    /// then the status to answer with.
    Result<Step> feed(std::string_view input, std::span<char> into);
    /// The peer has ended: fine after a body without length, an error elsewhere.
    Result<void> feed_end();

    bool head_done() const;
    bool done() const;
    int refusal() const; ///< 400, 414, 431, 501 or 505
    bool keep_alive() const;
    bool chunked() const;
    bool wants_continue() const; ///< Expect: 100-continue
    std::optional<std::uint64_t> length() const;

    RequestHead& request(); ///< without peer, tcp and peer_name
    ResponseHead& response();

    struct Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

} // namespace shoal::net
