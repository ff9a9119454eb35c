#include "archive/chunk_pipe.h"

namespace shoal::archive {

std::optional<ChunkPipe::Chunk> ChunkPipe::take_empty() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return abandoned_ || !empty_.empty() || made_ < chunks_max; });
    if (abandoned_) { return std::nullopt; }
    if (empty_.empty()) {
        ++made_;
        lock.unlock();
        return Chunk{std::vector<char>(chunk_bytes), 0};
    }
    Chunk chunk = std::move(empty_.back());
    empty_.pop_back();
    return chunk;
}

void ChunkPipe::put(Chunk chunk) {
    const std::lock_guard lock(mutex_);
    full_.push_back(std::move(chunk));
    changed_.notify_one();
}

void ChunkPipe::end(Result<void> how) {
    const std::lock_guard lock(mutex_);
    ended_.emplace(std::move(how));
    changed_.notify_one();
}

Result<std::string_view> ChunkPipe::next() {
    std::unique_lock lock(mutex_);
    if (!reading_.bytes.empty()) {
        empty_.push_back(std::move(reading_));
        reading_ = {};
        changed_.notify_one();
    }
    changed_.wait(lock, [this] { return !full_.empty() || ended_; });
    if (!full_.empty()) {
        reading_ = std::move(full_.front());
        full_.pop_front();
        return std::string_view(reading_.bytes.data(), reading_.size);
    }
    if (!*ended_) { return ended_->error(); }
    return std::string_view{};
}

void ChunkPipe::abandon() {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    changed_.notify_one();
}

} // namespace shoal::archive
