#include "archive/extract.h"

#include "archive/chunk_pipe.h"
#include "archive/hash.h"
#include "archive/unpacker.h"

#include <thread>

namespace shoal::archive {

namespace {

/// The reading side: source -> hash, tee -> decompress -> hash -> pipe.
class Reading {
  public:
    Reading(Source source, const ExtractOptions& options, ChunkPipe& pipe)
        : source_(std::move(source)), options_(options), pipe_(pipe) {}

    void run() { pipe_.end(pump()); }

    /// After run(): what was read.
    void report(Extracted& result) {
        result.compression = compression_;
        result.bytes_compressed = compressed_;
        result.bytes_plain = plain_;
        if (options_.hash_compressed) { result.digest_compressed = compressed_hash_.finish(); }
        if (!options_.hash_plain) { return; }
        const bool same = compression_ == Compression::None && options_.hash_compressed;
        result.digest_plain = same ? result.digest_compressed : plain_hash_.finish();
    }

  private:
    Result<std::size_t> read(std::span<char> into) {
        if (options_.cancelled != nullptr && *options_.cancelled) {
            return Error{Errc::Cancelled, "cancelled"};
        }
        TRY_LET(count, source_(into));
        compressed_ += count;
        if (count == 0) { return count; }
        const std::string_view bytes(into.data(), count);
        if (options_.hash_compressed) { compressed_hash_.update(bytes); }
        if (options_.tee) { TRY(options_.tee(bytes)); }
        if (options_.progress) { options_.progress(compressed_); }
        return count;
    }

    Result<void> pump() {
        TRY_LET(opened, open_decompressor([this](std::span<char> into) { return read(into); },
                                          options_.limits));
        compression_ = opened.found;
        const bool hash =
            options_.hash_plain && !(compression_ == Compression::None && options_.hash_compressed);
        while (true) {
            auto chunk = pipe_.take_empty();
            if (!chunk) { return {}; }
            TRY(fill(*opened.stream, *chunk));
            if (chunk->size == 0) { return {}; }
            plain_ += chunk->size;
            if (hash) { plain_hash_.update({chunk->bytes.data(), chunk->size}); }
            pipe_.put(std::move(*chunk));
        }
    }

    static Result<void> fill(Decompressor& stream, ChunkPipe::Chunk& chunk) {
        chunk.size = 0;
        while (chunk.size < chunk.bytes.size()) {
            TRY_LET(count, stream.read(std::span(chunk.bytes).subspan(chunk.size)));
            if (count == 0) { break; }
            chunk.size += count;
        }
        return {};
    }

    Source source_;
    const ExtractOptions& options_;
    ChunkPipe& pipe_;
    Sha256 compressed_hash_;
    Sha256 plain_hash_;
    Compression compression_ = Compression::None;
    std::uint64_t compressed_ = 0;
    std::uint64_t plain_ = 0;
};

Result<void> unpack(ChunkPipe& pipe, const os::Fd& root, const ExtractOptions& options,
                    Extracted& result) {
    TRY_LET(reader, TarReader::over([&pipe] { return pipe.next(); }, options.limits));
    Unpacker unpacker(root, options);
    while (true) {
        if (options.cancelled != nullptr && *options.cancelled) {
            return Error{Errc::Cancelled, "cancelled"};
        }
        TRY_LET(entry, reader.next());
        if (!entry) { break; }
        TRY(unpacker.put(*entry, reader));
        ++result.entries;
    }
    TRY(unpacker.finish());
    result.bytes_files = unpacker.bytes_files();
    // What follows the end marker belongs to the digests all the same.
    while (true) {
        TRY_LET(rest, pipe.next());
        if (rest.empty()) { return {}; }
    }
}

} // namespace

Result<Extracted> extract(Source source, const os::Fd& root, const ExtractOptions& options) {
    ChunkPipe pipe;
    Reading reading(std::move(source), options, pipe);
    std::thread thread([&reading] { reading.run(); });
    Extracted result;
    const auto done = unpack(pipe, root, options, result);
    pipe.abandon();
    thread.join();
    if (!done) { return done.error(); }
    reading.report(result);
    return result;
}

} // namespace shoal::archive
