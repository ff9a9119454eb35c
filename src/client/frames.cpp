#include "client/frames.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::client {
namespace {
constexpr std::size_t header_bytes = 8;
constexpr std::size_t error_text_max = 1024 * 1024;
} // namespace

Result<void> FrameReader::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        if (left_ == 0) {
            const std::size_t wanted = std::min(header_bytes - header_.size(), bytes.size());
            header_ += bytes.substr(0, wanted);
            bytes.remove_prefix(wanted);
            if (header_.size() < header_bytes) { break; }
            const auto byte = [&](int at) {
                return static_cast<std::size_t>(static_cast<unsigned char>(header_[at]));
            };
            if (byte(0) > 3) { return invalid(fmt::format("unrecognized stream: {}", byte(0))); }
            channel_ = static_cast<Channel>(byte(0));
            left_ = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
            header_.clear();
            continue;
        }
        const auto piece = bytes.substr(0, left_);
        left_ -= piece.size();
        bytes.remove_prefix(piece.size());
        if (channel_ != Channel::Error) {
            TRY(take_(channel_, piece));
            continue;
        }
        if (error_.size() < error_text_max) { error_ += piece; }
        if (left_ == 0) { return internal("error from daemon in stream: " + error_); }
    }
    return ok();
}

} // namespace shoal::client
