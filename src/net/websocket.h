// The server side of a WebSocket (RFC 6455) on an Exchange, as a plain Stream of bytes: text and
// binary messages are read as bytes, each write is one binary message. No extensions, no
// sub-protocols; message borders are not kept.
#pragma once

#include "net/http.h"

namespace shoal::net {

/// Whether the request asks for a WebSocket.
bool wants_websocket(const RequestHead& request);

/// Answers 101 and gives the stream. Errc::Invalid, with nothing sent, when the handshake headers
/// are wrong. Pings are answered while reading; shutdown_write() sends a close frame; the peer's
/// close frame reads as the end.
Task<Result<StreamPtr>> accept_websocket(Exchange& exchange);

} // namespace shoal::net
