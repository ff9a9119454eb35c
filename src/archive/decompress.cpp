#include "archive/compression.h"

#include <bzlib.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <zstd.h>

#include <array>
#include <vector>

namespace shoal::archive {

namespace {

constexpr std::size_t input_bytes = 256 * 1024;
constexpr int zstd_window_log_max = 27; ///< 128 MiB, what the zstd program accepts unasked
constexpr std::uint64_t xz_memory_max = 256ull << 20; ///< xz -9 needs 65 MiB

Error damaged(std::string_view what) { return invalid("damaged " + std::string(what) + " stream"); }

/// The compressed side: a buffer that begins with the bytes that were looked at to tell the kind.
class Input {
  public:
    Input(Source source, std::string head) : source_(std::move(source)), buffer_(input_bytes) {
        std::copy(head.begin(), head.end(), buffer_.begin());
        end_ = head.size();
        total_ = head.size();
    }
    /// Makes sure that bytes are there unless the stream has ended.
    Result<void> fill() {
        if (at_ < end_ || ended_) { return {}; }
        TRY_LET(count, source_(buffer_));
        at_ = 0;
        end_ = count;
        total_ += count;
        ended_ = count == 0;
        return {};
    }
    bool empty() const { return at_ == end_; }
    bool ended() const { return ended_ && empty(); }
    char* data() { return buffer_.data() + at_; }
    std::size_t size() const { return end_ - at_; }
    void consume(std::size_t count) { at_ += count; }
    std::uint64_t total() const { return total_; }

    /// Reads past the buffer, for the plain form.
    Result<std::size_t> read(std::span<char> into) {
        if (empty()) {
            if (ended_) { return std::size_t{0}; }
            TRY_LET(count, source_(into));
            total_ += count;
            ended_ = count == 0;
            return count;
        }
        const std::size_t count = std::min(into.size(), size());
        std::copy_n(data(), count, into.data());
        consume(count);
        return count;
    }

  private:
    Source source_;
    std::vector<char> buffer_;
    std::size_t at_ = 0;
    std::size_t end_ = 0;
    std::uint64_t total_ = 0;
    bool ended_ = false;
};

/// Counts what comes out and refuses bombs; the kinds implement step().
class Limited : public Decompressor {
  public:
    Limited(Input input, Limits limits) : input_(std::move(input)), limits_(limits) {}

    Result<std::size_t> read(std::span<char> into) final {
        TRY_LET(count, step(into));
        plain_ += count;
        if (plain_ > limits_.bytes_max) {
            return Error{Errc::Exhausted,
                         "archive is longer than " + std::to_string(limits_.bytes_max) + " bytes"};
        }
        if (plain_ > limits_.ratio_after_bytes && plain_ / limits_.ratio_max > input_.total()) {
            return Error{Errc::Exhausted, "archive unpacks to more than " +
                                              std::to_string(limits_.ratio_max) +
                                              " times its size"};
        }
        return count;
    }

  protected:
    virtual Result<std::size_t> step(std::span<char> into) = 0;
    Input input_;

  private:
    Limits limits_;
    std::uint64_t plain_ = 0;
};

class PlainStream final : public Limited {
  public:
    using Limited::Limited;

  private:
    Result<std::size_t> step(std::span<char> into) override { return input_.read(into); }
};

class GzipStream final : public Limited {
  public:
    GzipStream(Input input, Limits limits)
        : Limited(std::move(input), limits), state_(std::make_unique<inflate_state>()) {
        begin_member();
    }

  private:
    void begin_member() {
        isal_inflate_init(state_.get());
        state_->crc_flag = ISAL_GZIP;
    }

    Result<std::size_t> step(std::span<char> into) override {
        state_->next_out = reinterpret_cast<std::uint8_t*>(into.data());
        state_->avail_out = static_cast<std::uint32_t>(into.size());
        while (state_->avail_out == into.size()) {
            TRY(input_.fill());
            if (state_->block_state == ISAL_BLOCK_FINISH) {
                TRY_LET(more, next_member());
                if (!more) { return std::size_t{0}; }
                state_->next_out = reinterpret_cast<std::uint8_t*>(into.data());
                state_->avail_out = static_cast<std::uint32_t>(into.size());
                continue;
            }
            const bool at_end = input_.ended();
            TRY(inflate());
            if (at_end && state_->avail_out == into.size() &&
                state_->block_state != ISAL_BLOCK_FINISH) {
                return invalid("truncated gzip stream");
            }
        }
        return into.size() - state_->avail_out;
    }

    Result<void> inflate() {
        state_->next_in = reinterpret_cast<std::uint8_t*>(input_.data());
        state_->avail_in = static_cast<std::uint32_t>(input_.size());
        const int code = isal_inflate(state_.get());
        if (code != ISAL_DECOMP_OK) { return damaged("gzip"); }
        input_.consume(input_.size() - state_->avail_in);
        return {};
    }

    /// After the end of a member: another one, padding of zeros, or the end of the stream.
    Result<bool> next_member() {
        while (true) {
            while (!input_.empty() && *input_.data() == 0) { input_.consume(1); }
            if (!input_.empty()) { break; }
            TRY(input_.fill());
            if (input_.ended()) { return false; }
        }
        if (static_cast<unsigned char>(*input_.data()) != 0x1f) { return damaged("gzip"); }
        begin_member();
        return true;
    }

    std::unique_ptr<inflate_state> state_;
};

class ZstdStream final : public Limited {
  public:
    ZstdStream(Input input, Limits limits)
        : Limited(std::move(input), limits), context_(ZSTD_createDCtx()) {
        ASSERT(context_ != nullptr);
        ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, zstd_window_log_max);
    }
    ~ZstdStream() override { ZSTD_freeDCtx(context_); }

  private:
    Result<std::size_t> step(std::span<char> into) override {
        ZSTD_outBuffer out{into.data(), into.size(), 0};
        while (out.pos == 0) {
            TRY(input_.fill());
            const bool at_end = input_.ended();
            if (at_end && between_frames_) { return std::size_t{0}; }
            ZSTD_inBuffer in{input_.data(), input_.size(), 0};
            const std::size_t code = ZSTD_decompressStream(context_, &out, &in);
            if (ZSTD_isError(code) != 0) {
                return invalid(std::string("zstd stream: ") + ZSTD_getErrorName(code));
            }
            input_.consume(in.pos);
            between_frames_ = code == 0;
            if (at_end && out.pos == 0 && !between_frames_) {
                return invalid("truncated zstd stream");
            }
        }
        return out.pos;
    }

    ZSTD_DCtx* context_;
    bool between_frames_ = false;
};

class XzStream final : public Limited {
  public:
    XzStream(Input input, Limits limits) : Limited(std::move(input), limits) {
        ASSERT(lzma_stream_decoder(&stream_, xz_memory_max, LZMA_CONCATENATED) == LZMA_OK);
    }
    ~XzStream() override { lzma_end(&stream_); }

  private:
    Result<std::size_t> step(std::span<char> into) override {
        stream_.next_out = reinterpret_cast<std::uint8_t*>(into.data());
        stream_.avail_out = into.size();
        while (stream_.avail_out == into.size() && !ended_) {
            TRY(input_.fill());
            stream_.next_in = reinterpret_cast<const std::uint8_t*>(input_.data());
            stream_.avail_in = input_.size();
            const auto code = lzma_code(&stream_, input_.ended() ? LZMA_FINISH : LZMA_RUN);
            input_.consume(input_.size() - stream_.avail_in);
            if (code == LZMA_MEMLIMIT_ERROR) {
                return Error{Errc::Exhausted, "xz stream needs too much memory"};
            }
            if (code != LZMA_OK && code != LZMA_STREAM_END) { return damaged("xz"); }
            ended_ = code == LZMA_STREAM_END;
        }
        return into.size() - stream_.avail_out;
    }

    lzma_stream stream_ = LZMA_STREAM_INIT;
    bool ended_ = false;
};

class Bzip2Stream final : public Limited {
  public:
    Bzip2Stream(Input input, Limits limits) : Limited(std::move(input), limits) { begin_member(); }
    ~Bzip2Stream() override { BZ2_bzDecompressEnd(&stream_); }

  private:
    void begin_member() {
        stream_ = {};
        ASSERT(BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK);
        member_ended_ = false;
    }

    Result<std::size_t> step(std::span<char> into) override {
        std::size_t made = 0;
        while (made == 0) {
            TRY(input_.fill());
            if (member_ended_) {
                if (input_.ended()) { return std::size_t{0}; }
                BZ2_bzDecompressEnd(&stream_);
                begin_member();
            }
            if (input_.ended()) { return invalid("truncated bzip2 stream"); }
            stream_.next_in = input_.data();
            stream_.avail_in = static_cast<unsigned>(input_.size());
            stream_.next_out = into.data();
            stream_.avail_out = static_cast<unsigned>(into.size());
            const int code = BZ2_bzDecompress(&stream_);
            if (code != BZ_OK && code != BZ_STREAM_END) { return damaged("bzip2"); }
            input_.consume(input_.size() - stream_.avail_in);
            member_ended_ = code == BZ_STREAM_END;
            made = into.size() - stream_.avail_out;
        }
        return made;
    }

    bz_stream stream_{};
    bool member_ended_ = false;
};

Result<std::string> read_head(const Source& source) {
    std::string head(6, '\0');
    std::size_t have = 0;
    while (have < head.size()) {
        TRY_LET(count, source({head.data() + have, head.size() - have}));
        if (count == 0) { break; }
        have += count;
    }
    head.resize(have);
    return head;
}

} // namespace

std::string_view name_of(Compression compression) {
    constexpr std::array<std::string_view, 5> names{"none", "gzip", "zstd", "xz", "bzip2"};
    return names[static_cast<std::size_t>(compression)];
}

Compression detect_compression(std::string_view head) {
    using namespace std::string_view_literals;
    if (head.starts_with("\x1f\x8b\x08"sv)) { return Compression::Gzip; }
    if (head.starts_with("\x28\xb5\x2f\xfd"sv)) { return Compression::Zstd; }
    if (head.starts_with("\xfd"
                         "7zXZ\0"sv)) {
        return Compression::Xz;
    }
    if (head.starts_with("BZh"sv)) { return Compression::Bzip2; }
    return Compression::None;
}

Result<Decompressing> open_decompressor(Source source, Limits limits) {
    TRY_LET(head, read_head(source));
    const Compression found = detect_compression(head);
    // A source is not asked again once it has ended: short heads mean that it has.
    if (head.size() < 6) {
        source = [](std::span<char>) -> Result<std::size_t> { return std::size_t{0}; };
    }
    Input input(std::move(source), std::move(head));
    std::unique_ptr<Decompressor> stream;
    switch (found) {
    case Compression::None:
        stream = std::make_unique<PlainStream>(std::move(input), limits);
        break;
    case Compression::Gzip:
        stream = std::make_unique<GzipStream>(std::move(input), limits);
        break;
    case Compression::Zstd:
        stream = std::make_unique<ZstdStream>(std::move(input), limits);
        break;
    case Compression::Xz:
        stream = std::make_unique<XzStream>(std::move(input), limits);
        break;
    case Compression::Bzip2:
        stream = std::make_unique<Bzip2Stream>(std::move(input), limits);
        break;
    }
    return Decompressing{found, std::move(stream)};
}

Result<Source> decompressed(Source source, Limits limits) {
    TRY_LET(opened, open_decompressor(std::move(source), limits));
    std::shared_ptr<Decompressor> stream = std::move(opened.stream);
    return Source([stream](std::span<char> into) { return stream->read(into); });
}

} // namespace shoal::archive
