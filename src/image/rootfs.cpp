#include "image/rootfs.h"

#include "os/file.h"
#include "os/overlay.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace shoal::image {
namespace {

/// Topmost first, the engine's base last.
std::vector<std::string> lower_paths(const LayerStore& store,
                                     const std::vector<oci::ChainId>& layers) {
    std::vector<std::string> paths;
    for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
        paths.push_back(store.diff_path(*layer));
    }
    paths.push_back(store.base_path());
    return paths;
}

/// Asked of the directory itself: the list of all mounts is long where many containers are.
bool is_mounted(const std::string& path) {
    struct statx status {};
    return ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, 0, &status) == 0 &&
           (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

} // namespace

RootFs rootfs_in(const std::string& directory) {
    return {directory + "/merged", directory + "/upper", directory + "/work"};
}

Result<RootFs> mount_rootfs(const LayerStore& store, const std::vector<oci::ChainId>& layers,
                            const std::string& directory) {
    RootFs rootfs = rootfs_in(directory);
    if (is_mounted(rootfs.merged)) { return rootfs; }
    TRY(os::ensure_directory(rootfs.upper, 0755));
    TRY(os::ensure_directory(rootfs.work, 0700));
    TRY(os::ensure_directory(rootfs.merged, 0755));
    os::OverlayMount mount;
    mount.lowers = lower_paths(store, layers);
    mount.upper = rootfs.upper;
    mount.work = rootfs.work;
    mount.target = rootfs.merged;
    TRY_LET(mounted, os::mount_overlay(mount));
    mounted.keep();
    return rootfs;
}

Result<void> unmount_rootfs(const std::string& directory) {
    return os::unmount_lazy(rootfs_in(directory).merged);
}

Result<void> remove_rootfs(const std::string& directory) {
    const RootFs rootfs = rootfs_in(directory);
    if (os::exists(rootfs.merged)) { TRY(os::unmount_lazy(rootfs.merged)); }
    ErrorList errors;
    for (const auto& path : {rootfs.merged, rootfs.upper, rootfs.work}) {
        errors.add(os::remove_tree(path));
    }
    if (!errors.empty()) { return errors.joined(); }
    return ok();
}

Result<void> mount_image(const LayerStore& store, const std::vector<oci::ChainId>& layers,
                         const std::string& target, Below below) {
    os::OverlayMount mount;
    mount.lowers = lower_paths(store, layers);
    if (below == Below::Nothing) {
        mount.lowers.back() = store.empty_path(0);
        // The kernel wants two directories where nothing is written.
        if (mount.lowers.size() == 1) { mount.lowers.push_back(store.empty_path(1)); }
    }
    mount.target = target;
    TRY_LET(mounted, os::mount_overlay(mount));
    mounted.keep();
    return ok();
}

Result<std::vector<archive::Change>> list_changes(const LayerStore& store,
                                                  const std::vector<oci::ChainId>& layers,
                                                  const std::string& directory) {
    TRY_LET(upper, os::open_directory(rootfs_in(directory).upper));
    std::vector<os::Fd> lowers;
    for (const auto& path : lower_paths(store, layers)) {
        TRY_LET(lower, os::open_directory(path));
        lowers.push_back(std::move(lower));
    }
    return archive::list_changes(upper, lowers);
}

Result<std::int64_t> upper_size(const std::string& directory) {
    TRY_LET(upper, os::open_directory(rootfs_in(directory).upper));
    TRY_LET(size, archive::tree_size(upper));
    return static_cast<std::int64_t>(size);
}

} // namespace shoal::image
