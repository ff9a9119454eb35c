// The chunked transfer coding, decoded byte by byte (RFC 9112 section 7.1): sizes in hexadecimal,
// strict CRLF, extensions and trailers skipped within limits. It never needs a byte twice, so input
// may be cut anywhere. Only .cpp files of net/ include this.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace shoal::net {

class ChunkedDecoder {
  public:
    struct Step {
        std::size_t used = 0;
        std::size_t body = 0;
    };
    /// Takes input until it is used up, the message ends, or `into` is full. `into` may be the
    /// input's own memory.
    Result<Step> feed(std::string_view input, std::span<char> into);
    bool done() const { return state_ == State::Done; }

  private:
    enum class State {
        Size,
        Extension,
        SizeLf,
        Data,
        DataCr,
        DataLf,
        Trailer,
        TrailerText,
        TrailerLf,
        EndLf,
        Done
    };
    Result<void> step(char byte);
    Result<void> add_digit(char byte);

    State state_ = State::Size;
    std::uint64_t left_ = 0;
    int digits_ = 0;
    std::size_t skipped_ = 0; ///< bytes of extensions and trailers
};

} // namespace shoal::net
