// Frames of a multiplexed stream: how standard output and error share one connection. Pure.
#pragma once

#include <string>
#include <string_view>

namespace shoal::api {

/// Which output a frame belongs to.
enum class StreamKind : unsigned char { Stdin = 0, Stdout = 1, Stderr = 2, SystemError = 3 };
/// The 8-byte frame header and the payload.
std::string frame(StreamKind kind, std::string_view payload);
/// Content type of attach, exec and logs: framed without a terminal from 1.42 on, raw otherwise.
std::string_view stream_content_type(int version, bool terminal);

} // namespace shoal::api
