// Reads images out of an archive: what `docker save` writes (manifest.json beside layers), and an
// OCI image layout (index.json and blobs), in one tar, plain or compressed. Members are put under
// tmp/ as they come, because the list of them may come last; then layers are unpacked, a few at a
// time. Every digest and size that the archive claims is checked. Blocking; it starts a few threads
// of its own for the time of the call. It does not touch the image table.
#pragma once

#include "blob/store.h"
#include "image/layers.h"
#include "oci/image_config.h"
#include "oci/manifest.h"
#include "oci/reference.h"

namespace shoal::image {

/// "Loading layer", how far. May be called from several threads at once.
struct Progress {
    std::string id;
    std::string status;
    std::int64_t current = 0;
    std::int64_t total = 0;
};
using Report = std::function<void(const Progress&)>;

struct LoadLimits {
    archive::Limits tar{};
    std::size_t members_max = 20'000;
    std::size_t images_max = 1'000;
    std::size_t document_bytes_max = 8 * 1024 * 1024; ///< of one config or list
    unsigned threads_max = 4;
};

struct LoadOptions {
    Report report;
    const std::atomic<bool>* cancelled = nullptr;
    oci::Platform platform; ///< of an index with several; empty members: this machine's
    LoadLimits limits{};
};

/// An image whose layers and config are stored. It still has to be entered in the table.
struct LoadedImage {
    oci::ImageId id;
    std::shared_ptr<const oci::ImageConfig> config;
    std::vector<LayerInfo> layers; ///< lowest first
    std::vector<oci::Reference> tags;
};

Result<std::vector<LoadedImage>> load_images(const LayerStore& layers, const blob::Store& blobs,
                                             archive::Source input, const LoadOptions& options);

} // namespace shoal::image
