// Writes images as one tar that `docker load`, podman and skopeo read: an OCI image layout
// (index.json, blobs) with manifest.json and `repositories` beside it. The same images give the
// same bytes. Blocking.
#pragma once

#include "archive/stream.h"
#include "blob/store.h"
#include "image/layers.h"
#include "oci/image_config.h"
#include "oci/reference.h"

#include <atomic>

namespace shoal::image {

struct SavedImage {
    oci::ImageId id;
    std::shared_ptr<const oci::ImageConfig> config;
    std::vector<oci::ChainId> layers; ///< lowest first
    std::vector<oci::Reference> tags; ///< with tag
};

Result<void> save_images(const LayerStore& layers, const blob::Store& blobs,
                         const std::vector<SavedImage>& images, const archive::Sink& sink);

} // namespace shoal::image
