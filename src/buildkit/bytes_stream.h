// A call that carries bytes both ways, as a stream: an ssh agent at the other end of a session, or
// the session itself inside the Control service.
#pragma once

#include "net/grpc.h"
#include "net/stream.h"

namespace shoal::buildkit {

/// `loop` outlives it. raw() is -1: there is no descriptor.
net::StreamPtr make_bytes_stream(net::Loop& loop, std::shared_ptr<net::GrpcCall> call,
                                 std::string peer);

/// BytesMessage, the same shape in several of BuildKit's packages.
std::string print_bytes(std::string bytes);
Result<std::string> parse_bytes_message(const std::string& message);

} // namespace shoal::buildkit
