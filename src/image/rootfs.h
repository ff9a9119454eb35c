// The root file system of a container: an overlay of an image's layers with a writable directory on
// top, in containers/<id>/{upper,work,merged}. Mounting is one system call or a few, far below a
// millisecond. Blocking, and without state: what is mounted, the kernel knows.
#pragma once

#include "archive/changes.h"
#include "image/layers.h"
#include "oci/image_config.h"

namespace shoal::image {

struct RootFs {
    std::string merged; ///< what the container sees
    std::string upper;  ///< what it changed
    std::string work;
};

/// The paths that a root file system in `directory` has.
RootFs rootfs_in(const std::string& directory);

/// Makes `upper`, `work`, `merged` where missing and mounts. Mounted already: success. `layers` is
/// lowest first.
Result<RootFs> mount_rootfs(const LayerStore& store, const std::vector<oci::ChainId>& layers,
                            const std::string& directory);
/// Lazily; not mounted: success.
Result<void> unmount_rootfs(const std::string& directory);
/// Unmounts and removes the three directories (the caller owns `directory` itself).
Result<void> remove_rootfs(const std::string& directory);

/// What lies below the lowest layer of a read-only mount.
enum class Below {
    Base,   ///< the engine's mount points, as in a container
    Nothing ///< so that exactly the image's files are seen
};

/// Mounts the layers read-only on `target` (a mount of type image; a look into an image).
Result<void> mount_image(const LayerStore& store, const std::vector<oci::ChainId>& layers,
                         const std::string& target, Below below = Below::Base);

/// What differs from the image, for GET /containers/{id}/changes.
Result<std::vector<archive::Change>> list_changes(const LayerStore& store,
                                                  const std::vector<oci::ChainId>& layers,
                                                  const std::string& directory);
/// SizeRw.
Result<std::int64_t> upper_size(const std::string& directory);

} // namespace shoal::image
