// Reads a tar stream (ustar, pax, GNU) entry by entry, whatever its compression. It hands names and
// data over and writes nothing; use extract.h to put them on disk.
#pragma once

#include "archive/compression.h"
#include "archive/entry.h"

#include <optional>

namespace shoal::archive {

class TarReader {
  public:
    /// Detects the compression. Fails when the first bytes cannot be read.
    static Result<TarReader> open(Source source, Limits limits = {});
    /// Reads plain tar.
    static Result<TarReader> over(Chunks chunks, Limits limits = {});
    TarReader(TarReader&&) noexcept;
    TarReader& operator=(TarReader&&) noexcept;
    ~TarReader();

    /// The next entry, or nothing at the end; data of the entry before that was not read is
    /// skipped. Fails: Invalid for a damaged archive, Exhausted past a limit.
    Result<std::optional<Entry>> next();
    /// Data of the present entry: holes read as zeros; 0 at its end.
    Result<std::size_t> read(std::span<char> into);
    /// The same as a Source; valid until the next call of next().
    Source data();

    struct Block {
        std::string_view bytes; ///< valid until the next call; empty at the end of the entry
        std::uint64_t offset;   ///< where it belongs in the file: gaps are holes
    };
    /// Data without a copy and with its holes.
    Result<Block> next_block();

  private:
    struct State;
    explicit TarReader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace shoal::archive
