// Layers on the way between a registry and the layer store: a compressed blob that comes once, bit
// by bit, becomes an unpacked layer; a layer becomes a compressed blob. It knows streams and
// digests, not registries. Blocking; for a pool's thread.
#pragma once

#include "archive/compression.h"
#include "image/layers.h"
#include "oci/manifest.h"

namespace shoal::image {

struct FetchLayer {
    oci::Descriptor blob; ///< what the stream has to be
    oci::Digest diff_id;  ///< what is in it
    /// Keep the blob in a file first. Needed for the rare tar that no recipe can make again: then
    /// the stream is asked for twice.
    bool spool = false;
    archive::Limits limits{};
    const std::atomic<bool>* cancelled = nullptr;
};
/// Unpacks while the bytes come; the layer is given out only when size and both digests are right.
/// Nothing: the stream has to come once more, with `spool`. Fails: Invalid "filesystem layer
/// verification failed for digest ..."; Exhausted (disk full, limits); Cancelled.
Result<std::optional<UnplacedLayer>> fetch_layer(const LayerStore& layers, archive::Source stream,
                                                 const FetchLayer& wanted);

struct CompressedLayer {
    oci::Digest digest;
    std::int64_t size = 0;
};
/// The layer's tar, compressed, into `sink`. The same layer gives the same bytes every time.
Result<CompressedLayer> compress_layer(const LayerStore& layers, const oci::ChainId& id,
                                       archive::Compression compression, const archive::Sink& sink,
                                       const std::atomic<bool>* cancelled,
                                       const std::function<void(std::int64_t)>& progress);

} // namespace shoal::image
