// Makes new images here: from one tar (import) and from what a container changed (commit). Each
// gives an image whose layers and config are stored, to be entered in the table. Blocking.
#pragma once

#include "image/load.h"

#include <atomic>

namespace shoal::image {

struct ImportOptions {
    oci::RunConfig config; ///< changes are already applied
    std::string message;
    std::string source = "-";
    oci::Platform platform;
    Instant now;
    const std::atomic<bool>* cancelled = nullptr;
    std::function<void(std::uint64_t)> progress; ///< bytes read
    /// Asked when the tar has been read, before anything of it is kept: did its maker succeed?
    std::function<Result<void>()> confirm;
};
Result<LoadedImage> import_image(const LayerStore& layers, const blob::Store& blobs,
                                 archive::Source tar, const ImportOptions& options);

struct CommitOptions {
    std::string upper;                              ///< directory
    std::shared_ptr<const oci::ImageConfig> parent; ///< null for none
    std::vector<oci::ChainId> parent_layers;
    oci::RunConfig config;
    std::string author;
    std::string comment;
    std::string created_by;
    Instant now;
};
Result<LoadedImage> commit_image(const LayerStore& layers, const blob::Store& blobs,
                                 const CommitOptions& options);

} // namespace shoal::image
