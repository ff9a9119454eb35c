#include "archive/compression.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <vector>

namespace shoal::archive {

namespace {

constexpr std::size_t output_bytes = 256 * 1024;
constexpr int gzip_level = 2; ///< of igzip's 0 to 3
constexpr int zstd_level = 3;

class PlainCompressor final : public Compressor {
  public:
    explicit PlainCompressor(Sink sink) : sink_(std::move(sink)) {}
    Result<void> write(std::string_view bytes) override { return sink_(bytes); }
    Result<void> finish() override { return {}; }

  private:
    Sink sink_;
};

class GzipCompressor final : public Compressor {
  public:
    explicit GzipCompressor(Sink sink)
        : sink_(std::move(sink)), work_(ISAL_DEF_LVL2_DEFAULT), out_(output_bytes),
          state_(std::make_unique<isal_zstream>()) {
        isal_deflate_init(state_.get());
        state_->gzip_flag = IGZIP_GZIP;
        state_->level = gzip_level;
        state_->level_buf = work_.data();
        state_->level_buf_size = static_cast<std::uint32_t>(work_.size());
    }
    Result<void> write(std::string_view bytes) override {
        state_->next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(bytes.data()));
        state_->avail_in = static_cast<std::uint32_t>(bytes.size());
        do { TRY(step()); } while (state_->avail_in > 0 || state_->avail_out == 0);
        return {};
    }
    Result<void> finish() override {
        state_->end_of_stream = 1;
        state_->avail_in = 0;
        do { TRY(step()); } while (state_->internal_state.state != ZSTATE_END);
        return {};
    }

  private:
    Result<void> step() {
        state_->next_out = out_.data();
        state_->avail_out = static_cast<std::uint32_t>(out_.size());
        ASSERT(isal_deflate(state_.get()) == COMP_OK);
        const std::size_t made = out_.size() - state_->avail_out;
        return made == 0 ? ok() : sink_({reinterpret_cast<const char*>(out_.data()), made});
    }

    Sink sink_;
    std::vector<std::uint8_t> work_;
    std::vector<std::uint8_t> out_;
    std::unique_ptr<isal_zstream> state_;
};

class ZstdCompressor final : public Compressor {
  public:
    explicit ZstdCompressor(Sink sink)
        : sink_(std::move(sink)), out_(ZSTD_CStreamOutSize()), context_(ZSTD_createCCtx()) {
        ASSERT(context_ != nullptr);
        ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, zstd_level);
        ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
    }
    ~ZstdCompressor() override { ZSTD_freeCCtx(context_); }
    Result<void> write(std::string_view bytes) override {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        while (in.pos < in.size) { TRY(step(in, ZSTD_e_continue)); }
        return {};
    }
    Result<void> finish() override {
        ZSTD_inBuffer in{nullptr, 0, 0};
        do { TRY(step(in, ZSTD_e_end)); } while (left_ != 0);
        return {};
    }

  private:
    Result<void> step(ZSTD_inBuffer& in, ZSTD_EndDirective directive) {
        ZSTD_outBuffer out{out_.data(), out_.size(), 0};
        left_ = ZSTD_compressStream2(context_, &out, &in, directive);
        if (ZSTD_isError(left_) != 0) {
            return internal(std::string("zstd: ") + ZSTD_getErrorName(left_));
        }
        return out.pos == 0 ? ok() : sink_({out_.data(), out.pos});
    }

    Sink sink_;
    std::vector<char> out_;
    ZSTD_CCtx* context_;
    std::size_t left_ = 0;
};

} // namespace

Result<std::unique_ptr<Compressor>> make_compressor(Compression compression, Sink sink) {
    std::unique_ptr<Compressor> made;
    switch (compression) {
    case Compression::None:
        made = std::make_unique<PlainCompressor>(std::move(sink));
        break;
    case Compression::Gzip:
        made = std::make_unique<GzipCompressor>(std::move(sink));
        break;
    case Compression::Zstd:
        made = std::make_unique<ZstdCompressor>(std::move(sink));
        break;
    default:
        return unsupported("writing " + std::string(name_of(compression)) + " is not supported");
    }
    return made;
}

} // namespace shoal::archive
