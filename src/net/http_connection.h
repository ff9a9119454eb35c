// One connection of the HTTP server: its bytes, its parser, and the exchange on it. Only .cpp files
// of net/ include this.
#pragma once

#include "net/http_parser.h"
#include "net/scope.h"

namespace shoal::net {

/// Incoming messages from a stream. Bytes that were read too far wait in `left`; an idle connection
/// holds none.
class MessageReader {
  public:
    MessageReader(Stream& stream, HttpParser::Kind kind, ParserLimits limits)
        : stream_(&stream), parser_(kind, limits) {}

    HttpParser& parser() { return parser_; }
    /// Waits for a message's first byte: true, or false when the peer has ended instead.
    Task<Result<bool>> wait_first(Until until);
    /// Reads on until the head is complete. The parser tells what to refuse it with.
    Task<Result<void>> read_head(Until until);
    /// The next piece of the body, 0 at its end.
    Task<Result<std::size_t>> read_body(std::span<char> into, Until until);
    void next_message(HttpParser::Kind kind) { parser_.reset(kind); }
    bool idle() const { return left_.empty(); }
    std::string take_left() { return std::exchange(left_, {}); }
    void use(Stream& stream) { stream_ = &stream; }

  private:
    Result<std::size_t> feed_left(std::span<char> into);
    Result<std::size_t> feed_in_place(std::span<char> into, std::size_t count);

    Stream* stream_;
    HttpParser parser_;
    std::string left_;
};

/// The text before an answer's or request's body: start line and headers, without values that would
/// break the framing.
void append_header(std::string& head, std::string_view name, std::string_view value);

} // namespace shoal::net
