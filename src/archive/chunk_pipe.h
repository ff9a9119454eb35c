// A bounded hand-over of byte blocks from the thread that reads, hashes and decompresses to the
// thread that unpacks. One producer, one consumer. Private to this folder.
#pragma once

#include "base/result.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace shoal::archive {

class ChunkPipe {
  public:
    static constexpr std::size_t chunk_bytes = 256 * 1024;
    static constexpr std::size_t chunks_max = 8;

    struct Chunk {
        std::vector<char> bytes;
        std::size_t size = 0;
    };

    /// An empty chunk to fill; nothing when the consumer has gone.
    std::optional<Chunk> take_empty();
    void put(Chunk chunk);
    void end(Result<void> how); ///< by the producer, once

    /// The next bytes, valid until the next call; empty at the end. By the consumer.
    Result<std::string_view> next();
    void abandon(); ///< by the consumer: the producer stops at its next take_empty()

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Chunk> full_;
    std::vector<Chunk> empty_;
    std::size_t made_ = 0;
    Chunk reading_;
    std::optional<Result<void>> ended_;
    bool abandoned_ = false;
};

} // namespace shoal::archive
