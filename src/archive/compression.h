// Compression of byte streams, done in this process: gzip, zstd, xz and bzip2 are recognised by
// their first bytes and unpacked; gzip and zstd are also written. No external program is ever
// started for a stranger's bytes.
#pragma once

#include "archive/limits.h"
#include "archive/stream.h"

#include <memory>

namespace shoal::archive {

enum class Compression { None, Gzip, Zstd, Xz, Bzip2 };
std::string_view name_of(Compression compression);
/// By magic number; needs up to 6 bytes. Anything unknown is None.
Compression detect_compression(std::string_view head);

/// Pulls plain bytes out of a compressed stream. Not thread-safe. Fails: Invalid for damaged data,
/// Exhausted when `limits` (bytes, ratio) are passed, and whatever the source reports.
class Decompressor {
  public:
    virtual ~Decompressor() = default;
    virtual Result<std::size_t> read(std::span<char> into) = 0; ///< 0 at the end
};
struct Decompressing {
    Compression found;
    std::unique_ptr<Decompressor> stream; ///< holds a copy of the source
};
Result<Decompressing> open_decompressor(Source source, Limits limits = {});
/// The plain bytes of a possibly compressed source.
Result<Source> decompressed(Source source, Limits limits = {});

/// Pushes plain bytes into `sink`, compressed. finish() writes the trailer and must be called.
class Compressor {
  public:
    virtual ~Compressor() = default;
    virtual Result<void> write(std::string_view bytes) = 0;
    virtual Result<void> finish() = 0;
};
/// None, Gzip and Zstd; Unsupported for the others. Gzip carries no time and no name, so that the
/// result depends on the bytes alone.
Result<std::unique_ptr<Compressor>> make_compressor(Compression compression, Sink sink);

} // namespace shoal::archive
