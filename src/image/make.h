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

/// One step of a build: what it changed becomes a layer above the parent's, its settings and one
/// line of history the new config.
struct StepOptions {
    std::shared_ptr<const oci::ImageConfig> parent; ///< null: the empty image
    std::vector<oci::ChainId> parent_layers;
    oci::Platform platform; ///< of the empty image; empty members: this machine's
    oci::RunConfig config;
    std::string upper;             ///< of an unmounted overlay; "" when no file was touched
    bool keep_upper = false;       ///< copied instead of taken
    oci::Digest existing_layer;    ///< instead of `upper`: a layer known to lie above the parent's
    oci::History history;          ///< empty_layer is filled in; `created` is the config's too
    std::string author;            ///< "" keeps the parent's
    std::optional<Instant> newest; ///< later times of files become this one
    const std::atomic<bool>* cancelled = nullptr;
};
Result<LoadedImage> step_image(const LayerStore& layers, const blob::Store& blobs,
                               const StepOptions& options);

/// The same image with everything above the first `kept` layers as one layer.
struct SquashOptions {
    std::shared_ptr<const oci::ImageConfig> image;
    std::vector<oci::ChainId> layers;
    std::size_t kept = 0;
    Instant now;
    std::string comment;
    const std::atomic<bool>* cancelled = nullptr;
};
/// All layers of the chain above the first `kept` as one, see squash.cpp.
Result<UnplacedLayer> squash_layers(const LayerStore& layers,
                                    const std::vector<oci::ChainId>& chain, std::size_t kept,
                                    const std::atomic<bool>* cancelled);
Result<LoadedImage> squash_image(const LayerStore& layers, const blob::Store& blobs,
                                 const SquashOptions& options);

} // namespace shoal::image
