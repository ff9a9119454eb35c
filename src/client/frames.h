// Takes a multiplexed stream apart: 8 bytes of header (stream number, length), then the payload.
// Incremental and pure.
#pragma once

#include "base/result.h"

#include <functional>
#include <string>
#include <string_view>

namespace shoal::client {

enum class Channel { Stdin = 0, Stdout = 1, Stderr = 2, Error = 3 };

class FrameReader {
  public:
    using Take = std::function<Result<void>(Channel, std::string_view)>;
    explicit FrameReader(Take take) : take_(std::move(take)) {}
    /// Hands payloads over as they come, also parts of frames. Fails: Invalid for an unknown stream
    /// number; what `take` returns; Internal with the text of a frame on the error channel.
    Result<void> feed(std::string_view bytes);
    bool at_border() const { return left_ == 0 && header_.empty(); }

  private:
    Take take_;
    std::string header_;
    std::string error_;
    Channel channel_ = Channel::Stdout;
    std::size_t left_ = 0;
};

} // namespace shoal::client
