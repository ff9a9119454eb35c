// Several layers as one: each is laid over those before it, as overlayfs would show them, and what
// hides something of the layers below all of them stays hidden.
#include "archive/xattrs.h"
#include "image/make.h"
#include "image/rootfs.h"
#include "os/file.h"
#include "os/mount.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace shoal::image {
namespace {

constexpr std::size_t depth_max = 64; ///< recursion on a pool thread's stack
constexpr const char* opaque_xattr = "trusted.overlay.opaque";

bool is_whiteout(const struct stat& status) {
    return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

std::optional<struct stat> look(const os::Fd& directory, const std::string& name) {
    struct stat status {};
    if (::fstatat(directory.raw(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return std::nullopt;
    }
    return status;
}

class Squasher {
  public:
    explicit Squasher(os::Fd below) : below_(std::move(below)) {}

    Result<void> lay(const os::Fd& layer, const os::Fd& tree, const std::string& path,
                     std::size_t depth) {
        if (depth > depth_max) {
            return Error{Errc::Exhausted, path + ": directories nested too deeply to squash"};
        }
        TRY_LET(list, os::list_directory(layer));
        for (const auto& entry : list) {
            const std::string here = path.empty() ? entry.name : path + "/" + entry.name;
            const auto status = look(layer, entry.name);
            if (!status) { return os_error("stat " + here, errno); }
            TRY(is_whiteout(*status) ? hide(tree, entry.name, here)
                                     : place(layer, tree, entry.name, here, *status, depth));
        }
        return ok();
    }

  private:
    bool is_below(const std::string& path) const {
        os::OpenBeneath how;
        how.flags = O_PATH | O_NOFOLLOW;
        how.no_links = false;
        return os::open_beneath(below_, path, how).has_value();
    }

    Result<void> hide(const os::Fd& tree, const std::string& name, const std::string& path) {
        TRY(os::remove_tree_at(tree, name));
        if (!is_below(path)) { return ok(); }
        if (::mknodat(tree.raw(), name.c_str(), S_IFCHR, makedev(0, 0)) != 0) {
            return os_error("hide " + path, errno);
        }
        return ok();
    }

    Result<void> place(const os::Fd& layer, const os::Fd& tree, const std::string& name,
                       const std::string& path, const struct stat& status, std::size_t depth) {
        if (S_ISDIR(status.st_mode)) {
            return place_directory(layer, tree, name, path, status, depth);
        }
        TRY(os::remove_tree_at(tree, name));
        // A link: the layer's own file is never written again.
        if (::linkat(layer.raw(), name.c_str(), tree.raw(), name.c_str(), 0) != 0) {
            return os_error("link " + path, errno);
        }
        return ok();
    }

    Result<void> place_directory(const os::Fd& layer, const os::Fd& tree, const std::string& name,
                                 const std::string& path, const struct stat& status,
                                 std::size_t depth) {
        TRY_LET(from, os::open_file_at(layer, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        const auto there = look(tree, name);
        const bool opaque = archive::is_opaque(from);
        const bool over_hidden = there && !S_ISDIR(there->st_mode);
        if (there && (opaque || !S_ISDIR(there->st_mode))) { TRY(os::remove_tree_at(tree, name)); }
        if (::mkdirat(tree.raw(), name.c_str(), 0700) != 0 && errno != EEXIST) {
            return os_error("create " + path, errno);
        }
        TRY_LET(made, os::open_file_at(tree, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        TRY(copy_attributes(from, made, status, path));
        if ((opaque || over_hidden) && is_below(path) &&
            ::fsetxattr(made.raw(), opaque_xattr, "y", 1, 0) != 0) {
            return os_error("hide what is below " + path, errno);
        }
        TRY(lay(from, made, path, depth + 1));
        const timespec times[2] = {status.st_mtim, status.st_mtim};
        if (::futimens(made.raw(), times) != 0) { return os_error("set a time", errno); }
        return ok();
    }

    static Result<void> copy_attributes(const os::Fd& from, const os::Fd& made,
                                        const struct stat& status, const std::string& path) {
        if (::fchown(made.raw(), status.st_uid, status.st_gid) != 0 ||
            ::fchmod(made.raw(), status.st_mode & 07777) != 0) {
            return os_error("chown " + path, errno);
        }
        TRY_LET(xattrs, archive::read_xattrs(from));
        for (const auto& [name, value] : xattrs) {
            if (archive::is_overlay_xattr(name)) { continue; }
            if (::fsetxattr(made.raw(), name.c_str(), value.data(), value.size(), 0) != 0) {
                return os_error("set " + name + " of " + path, errno);
            }
        }
        return ok();
    }

    os::Fd below_;
};

/// The tree of all layers above the first `kept`, as an overlay's upper directory.
Result<void> lay_all(const LayerStore& layers, const std::vector<oci::ChainId>& chain,
                     std::size_t kept, const std::string& directory) {
    const std::string tree = directory + "/diff";
    const std::string below = directory + "/below";
    TRY(os::ensure_directory(tree, 0755));
    TRY(os::ensure_directory(below, 0755));
    const auto split = chain.begin() + static_cast<std::ptrdiff_t>(kept);
    TRY(mount_image(layers, {chain.begin(), split}, below, Below::Nothing));
    os::Mount mounted(below);
    TRY_LET(root, os::open_directory(below));
    Squasher squasher(std::move(root));
    TRY_LET(into, os::open_directory(tree));
    for (auto layer = split; layer != chain.end(); ++layer) {
        TRY_LET(from, os::open_directory(layers.diff_path(*layer)));
        TRY(squasher.lay(from, into, "", 0));
    }
    return ok();
}

} // namespace

Result<UnplacedLayer> squash_layers(const LayerStore& layers,
                                    const std::vector<oci::ChainId>& chain, std::size_t kept,
                                    const std::atomic<bool>* cancelled) {
    TRY_LET(directory, os::TempDir::create(layers.tmp(), "squash-"));
    TRY(lay_all(layers, chain, kept, directory.path()));
    return layers.adopt(directory.path() + "/diff", std::nullopt, cancelled);
}

} // namespace shoal::image
