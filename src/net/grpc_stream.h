// A call that carries bytes both ways, as a stream: an ssh agent at the other end of a build's
// session, the session itself inside the Control service, a connection to the API of another
// manager. Its messages have the bytes as field 1 and nothing else.
#pragma once

#include "net/grpc.h"
#include "net/stream.h"

namespace shoal::net {

/// `loop` outlives it. raw() is -1: there is no descriptor.
StreamPtr make_bytes_stream(Loop& loop, std::shared_ptr<GrpcCall> call, std::string peer);

/// The message, as protobuf encodes it.
std::string print_bytes(std::string bytes);
Result<std::string> parse_bytes_message(const std::string& message);

} // namespace shoal::net
