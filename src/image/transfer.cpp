#include "image/transfer.h"

#include "blob/hash.h"
#include "os/file.h"

#include <fcntl.h>

namespace shoal::image {
namespace {

constexpr std::size_t rest_bytes = 64 * 1024;

Error verification_failed(const oci::Digest& digest) {
    return invalid("filesystem layer verification failed for digest " + digest.text());
}

/// Counts and hashes what passes.
class Watched {
  public:
    Watched(archive::Source inner, const FetchLayer& wanted)
        : inner_(std::move(inner)), wanted_(wanted), hasher_(wanted.blob.digest.kind()) {}

    Result<std::size_t> read(std::span<char> into) {
        if (ended_) { return std::size_t{0}; }
        if (wanted_.cancelled != nullptr && *wanted_.cancelled) {
            return Error{Errc::Cancelled, "cancelled"};
        }
        TRY_LET(got, inner_(into));
        ended_ = got == 0;
        hasher_.update({into.data(), got});
        size_ += static_cast<std::int64_t>(got);
        if (size_ > wanted_.blob.size) { return verification_failed(wanted_.blob.digest); }
        return got;
    }
    archive::Source source() {
        return [this](std::span<char> into) { return read(into); };
    }
    /// Reads what is behind the archive, and compares.
    Result<void> check() {
        std::string rest(rest_bytes, '\0');
        while (true) {
            TRY_LET(got, read({rest.data(), rest.size()}));
            if (got == 0) { break; }
        }
        if (size_ != wanted_.blob.size || hasher_.finish() != wanted_.blob.digest) {
            return verification_failed(wanted_.blob.digest);
        }
        return ok();
    }

  private:
    archive::Source inner_;
    const FetchLayer& wanted_;
    blob::Hasher hasher_;
    std::int64_t size_ = 0;
    bool ended_ = false;
};

UnpackOptions options_of(const FetchLayer& wanted) {
    UnpackOptions how;
    how.limits = wanted.limits;
    how.cancelled = wanted.cancelled;
    return how;
}

Error wrong_content(const FetchLayer& wanted, const oci::Digest& got) {
    return invalid("layer " + wanted.blob.digest.text() + " holds " + got.text() +
                   ", but the image's config says " + wanted.diff_id.text());
}

Result<std::optional<UnplacedLayer>> fetch_spooled(const LayerStore& layers, Watched& watched,
                                                   const FetchLayer& wanted) {
    TRY_LET(directory, os::TempDir::create(layers.tmp()));
    const std::string path = directory.path() + "/blob";
    TRY_LET(file, os::open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600));
    TRY(archive::copy(watched.source(), archive::sink_into(file)));
    TRY(watched.check());
    TRY_LET(first, os::open_file(path, O_RDONLY));
    TRY_LET(second, os::open_file(path, O_RDONLY));
    UnpackOptions how = options_of(wanted);
    how.again = [&]() -> Result<archive::Source> { return archive::source_of(second); };
    TRY_LET(layer, layers.unpack(archive::source_of(first), how));
    if (layer.diff_id() != wanted.diff_id) { return wrong_content(wanted, layer.diff_id()); }
    return std::optional<UnplacedLayer>(std::move(layer));
}

} // namespace

Result<std::optional<UnplacedLayer>> fetch_layer(const LayerStore& layers, archive::Source stream,
                                                 const FetchLayer& wanted) {
    Watched watched(std::move(stream), wanted);
    if (wanted.spool) { return fetch_spooled(layers, watched, wanted); }
    auto layer = layers.unpack(watched.source(), options_of(wanted));
    // A blob that is not what was promised explains whatever became of unpacking it.
    const bool may_go_on = layer || layer.error().code == Errc::Invalid;
    if (may_go_on) { TRY(watched.check()); }
    if (!layer) { return layer.error().with("layer " + wanted.blob.digest.text()); }
    if (layer->diff_id() == wanted.diff_id) {
        return std::optional<UnplacedLayer>(std::move(*layer));
    }
    return std::optional<UnplacedLayer>();
}

Result<CompressedLayer> compress_layer(const LayerStore& layers, const oci::ChainId& id,
                                       archive::Compression compression, const archive::Sink& sink,
                                       const std::atomic<bool>* cancelled,
                                       const std::function<void(std::int64_t)>& progress) {
    blob::Hasher hasher;
    CompressedLayer made;
    const archive::Sink counted = [&](std::string_view bytes) -> Result<void> {
        hasher.update(bytes);
        made.size += static_cast<std::int64_t>(bytes.size());
        return sink(bytes);
    };
    TRY_LET(compressor, archive::make_compressor(compression, counted));
    std::int64_t done = 0;
    const archive::Sink plain = [&](std::string_view bytes) -> Result<void> {
        if (cancelled != nullptr && *cancelled) { return Error{Errc::Cancelled, "cancelled"}; }
        done += static_cast<std::int64_t>(bytes.size());
        if (progress) { progress(done); }
        return compressor->write(bytes);
    };
    TRY(layers.write_tar(id, plain));
    TRY(compressor->finish());
    made.digest = hasher.finish();
    return made;
}

} // namespace shoal::image
