// Byte streams in and out of this folder: a Source is asked for bytes, a Sink is given them. Both
// are synchronous and may block; they are functions so that a file, a socket, an entry of another
// archive or a test can stand behind them.
#pragma once

#include "os/fd.h"

#include <functional>
#include <span>
#include <string_view>

namespace shoal::archive {

/// Fills a part of `into` and returns how much; 0 is the end of the stream. Never called again
/// after 0 or an error.
using Source = std::function<Result<std::size_t>(std::span<char> into)>;
/// Takes all bytes or fails.
using Sink = std::function<Result<void>(std::string_view bytes)>;

/// Hands over the next bytes where they lie: valid until the next call, empty at the end.
using Chunks = std::function<Result<std::string_view>()>;

/// Reads from the descriptor's present position; `fd` must outlive the source.
Source source_of(const os::Fd& fd);
/// Reads `text`, which must outlive the source.
Source source_of(std::string_view text);
Sink sink_into(const os::Fd& fd);
Sink sink_into(std::string& text);

/// Copies until the end; returns the number of bytes.
Result<std::uint64_t> copy(const Source& source, const Sink& sink);

} // namespace shoal::archive
