#include "volume/copy_up.h"

#include "archive/path_in_root.h"
#include "os/file.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <map>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace shoal::volume {
namespace {

constexpr int depth_max = 1024;
constexpr std::size_t xattr_bytes_max = 64 * 1024;

/// A name in an open directory, as a path that follows nothing before the last component.
std::string by_fd(const os::Fd& directory, const std::string& name) {
    return "/proc/self/fd/" + std::to_string(directory.raw()) + "/" + name;
}
std::string by_fd(const os::Fd& fd) { return "/proc/self/fd/" + std::to_string(fd.raw()); }

enum class Links { Follow, Keep };

/// Attributes of one object, read and written by path; what the destination cannot store is left
/// out.
Result<void> copy_xattrs(const std::string& from, const std::string& to, Links links) {
    std::string names(xattr_bytes_max, '\0');
    const bool follow = links == Links::Follow;
    const auto size = follow ? listxattr(from.c_str(), names.data(), names.size())
                             : llistxattr(from.c_str(), names.data(), names.size());
    if (size < 0) {
        return errno == ENOTSUP || errno == ENOENT
                   ? ok()
                   : Result<void>(os_error("list attributes", errno));
    }
    names.resize(static_cast<std::size_t>(size));
    std::string value(xattr_bytes_max, '\0');
    for (std::size_t at = 0; at < names.size();) {
        const std::string name(names.c_str() + at);
        at += name.size() + 1;
        const auto count = follow
                               ? getxattr(from.c_str(), name.c_str(), value.data(), value.size())
                               : lgetxattr(from.c_str(), name.c_str(), value.data(), value.size());
        if (count < 0 || name.starts_with("trusted.overlay.") ||
            name.starts_with("user.overlay.")) {
            continue;
        }
        const auto bytes = static_cast<std::size_t>(count);
        const int set = follow ? setxattr(to.c_str(), name.c_str(), value.data(), bytes, 0)
                               : lsetxattr(to.c_str(), name.c_str(), value.data(), bytes, 0);
        if (set != 0 && errno != ENOTSUP && errno != EPERM) {
            return os_error("set attribute " + name, errno);
        }
    }
    return ok();
}

struct Attributes {
    const os::Fd& directory; ///< of the destination
    const std::string& name;
    const struct stat& info;
};

/// Owner first: it clears set-user-id bits and capabilities, which mode and attributes then put
/// back.
Result<void> set_owner(const Attributes& of) {
    if (fchownat(of.directory.raw(), of.name.c_str(), of.info.st_uid, of.info.st_gid,
                 AT_SYMLINK_NOFOLLOW) == 0) {
        return ok();
    }
    return os_error("set owner of " + of.name, errno);
}
Result<void> set_mode(const Attributes& of) {
    if (S_ISLNK(of.info.st_mode)) { return ok(); }
    if (fchmodat(of.directory.raw(), of.name.c_str(), of.info.st_mode & 07777, 0) == 0) {
        return ok();
    }
    return os_error("set mode of " + of.name, errno);
}
Result<void> set_times(const Attributes& of) {
    const timespec times[2] = {of.info.st_atim, of.info.st_mtim};
    if (utimensat(of.directory.raw(), of.name.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0) {
        return ok();
    }
    return os_error("set times of " + of.name, errno);
}

Result<void> copy_range(const os::Fd& from, const os::Fd& to, off_t begin, off_t end) {
    off_t in = begin, out = begin;
    while (in < end) {
        const auto moved =
            copy_file_range(from.raw(), &in, to.raw(), &out, static_cast<std::size_t>(end - in), 0);
        if (moved > 0) { continue; }
        if (moved == 0) { return ok(); }
        if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP &&
            errno != ETXTBSY) {
            return os_error("copy", errno);
        }
        break;
    }
    std::vector<char> buffer(256 * 1024);
    while (in < end) {
        const auto want = std::min<off_t>(end - in, static_cast<off_t>(buffer.size()));
        const auto got = pread(from.raw(), buffer.data(), static_cast<std::size_t>(want), in);
        if (got < 0) { return os_error("read", errno); }
        if (got == 0) { return ok(); }
        for (ssize_t done = 0; done < got;) {
            const auto put = pwrite(to.raw(), buffer.data() + done,
                                    static_cast<std::size_t>(got - done), in + done);
            if (put < 0) { return os_error("write", errno); }
            done += put;
        }
        in += got;
    }
    return ok();
}

/// Only the parts with data: holes stay holes.
Result<void> copy_data(const os::Fd& from, const os::Fd& to, off_t size) {
    if (size == 0) { return ok(); }
    if (ioctl(to.raw(), FICLONE, from.raw()) == 0) { return ok(); }
    if (ftruncate(to.raw(), size) != 0) { return os_error("set size", errno); }
    off_t at = 0;
    while (at < size) {
        const off_t data = lseek(from.raw(), at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) { return ok(); }
        if (data < 0) { return copy_range(from, to, at, size); }
        off_t hole = lseek(from.raw(), data, SEEK_HOLE);
        if (hole < 0) { hole = size; }
        TRY(copy_range(from, to, data, hole));
        at = hole;
    }
    return ok();
}

class TreeCopy {
  public:
    explicit TreeCopy(const os::Fd& destination) : destination_(destination) {}

    Result<void> directory(const os::Fd& from, const os::Fd& to, const std::string& where,
                           int depth) {
        if (depth > depth_max) {
            return Error{Errc::Exhausted, "directories are nested too deeply"};
        }
        TRY_LET(entries, os::list_directory(from));
        for (const auto& entry : entries) {
            TRY(one(from, to, entry.name, where, depth).with(entry.name));
        }
        return ok();
    }

  private:
    Result<void> one(const os::Fd& from, const os::Fd& to, const std::string& name,
                     const std::string& where, int depth) {
        struct stat info {};
        if (fstatat(from.raw(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
            return os_error("stat", errno);
        }
        const auto place = where + name;
        if (!S_ISDIR(info.st_mode) && info.st_nlink > 1) {
            const auto [first, fresh] = seen_.emplace(std::pair(info.st_dev, info.st_ino), place);
            if (!fresh) { return link(first->second, to, name); }
        }
        if (S_ISDIR(info.st_mode)) { return enter(from, to, name, info, place, depth); }
        if (S_ISREG(info.st_mode)) { return file(from, to, name, info); }
        if (S_ISLNK(info.st_mode)) { return symlink(from, to, name, info); }
        return node(from, to, name, info);
    }

    Result<void> link(const std::string& first, const os::Fd& to, const std::string& name) {
        if (linkat(destination_.raw(), first.c_str(), to.raw(), name.c_str(), 0) == 0) {
            return ok();
        }
        return os_error("link", errno);
    }

    Result<void> enter(const os::Fd& from, const os::Fd& to, const std::string& name,
                       const struct stat& info, const std::string& place, int depth) {
        constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
        TRY_LET(source, os::open_file_at(from, name, flags));
        if (mkdirat(to.raw(), name.c_str(), 0700) != 0) {
            return os_error("make directory", errno);
        }
        TRY_LET(target, os::open_file_at(to, name, flags));
        TRY(directory(source, target, place + "/", depth + 1));
        const Attributes attributes{to, name, info};
        TRY(set_owner(attributes));
        TRY(copy_xattrs(by_fd(source), by_fd(target), Links::Follow));
        TRY(set_mode(attributes));
        return set_times(attributes);
    }

    Result<void> file(const os::Fd& from, const os::Fd& to, const std::string& name,
                      const struct stat& info) {
        TRY_LET(source, os::open_file_at(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        TRY_LET(target, os::open_file_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
        TRY(copy_data(source, target, info.st_size));
        const Attributes attributes{to, name, info};
        TRY(set_owner(attributes));
        TRY(copy_xattrs(by_fd(source), by_fd(target), Links::Follow));
        TRY(set_mode(attributes));
        return set_times(attributes);
    }

    Result<void> symlink(const os::Fd& from, const os::Fd& to, const std::string& name,
                         const struct stat& info) {
        std::string target(4096, '\0');
        const auto size = readlinkat(from.raw(), name.c_str(), target.data(), target.size());
        if (size < 0) { return os_error("read link", errno); }
        target.resize(static_cast<std::size_t>(size));
        if (symlinkat(target.c_str(), to.raw(), name.c_str()) != 0) {
            return os_error("make link", errno);
        }
        return finish(from, to, name, info);
    }

    /// Devices, pipes and sockets.
    Result<void> node(const os::Fd& from, const os::Fd& to, const std::string& name,
                      const struct stat& info) {
        if (mknodat(to.raw(), name.c_str(), (info.st_mode & S_IFMT) | 0600, info.st_rdev) != 0) {
            return os_error("make node", errno);
        }
        return finish(from, to, name, info);
    }

    Result<void> finish(const os::Fd& from, const os::Fd& to, const std::string& name,
                        const struct stat& info) {
        const Attributes attributes{to, name, info};
        TRY(set_owner(attributes));
        TRY(copy_xattrs(by_fd(from, name), by_fd(to, name), Links::Keep));
        TRY(set_mode(attributes));
        return set_times(attributes);
    }

    const os::Fd& destination_;
    std::map<std::pair<dev_t, ino_t>, std::string>
        seen_; ///< first place of each file with several names
};

Result<void> copy_directory_attributes(const os::Fd& from, const os::Fd& to) {
    struct stat info {};
    if (fstat(from.raw(), &info) != 0) { return os_error("stat", errno); }
    if (fchown(to.raw(), info.st_uid, info.st_gid) != 0) { return os_error("set owner", errno); }
    TRY(copy_xattrs(by_fd(from), by_fd(to), Links::Follow));
    if (fchmod(to.raw(), info.st_mode & 07777) != 0) { return os_error("set mode", errno); }
    return ok();
}

void empty_directory(const std::string& path) {
    auto directory = os::open_directory(path);
    auto entries = os::list_directory(path);
    if (!directory || !entries) { return; }
    for (const auto& entry : *entries) { (void)os::remove_tree_at(*directory, entry.name); }
}

} // namespace

Result<bool> is_empty_directory(const std::string& path) {
    TRY_LET(entries, os::list_directory(path));
    return entries.empty();
}

Result<void> copy_tree(const os::Fd& from, const os::Fd& to) {
    TRY(TreeCopy(to).directory(from, to, "", 0));
    return copy_directory_attributes(from, to);
}

Result<bool> copy_up(const CopyUp& copy) {
    TRY_LET(root, os::open_directory(copy.root));
    auto found = archive::open_in_root(root, copy.path, archive::Follow::All);
    if (!found && (found.error().code == Errc::NotFound || found.error().code == Errc::Invalid)) {
        return false;
    }
    if (!found) { return std::move(found).error(); }
    struct stat info {};
    if (fstat(found->raw(), &info) != 0) { return os_error("stat " + copy.path, errno); }
    if (!S_ISDIR(info.st_mode)) { return false; }
    TRY_LET(from, archive::reopen(*found, O_RDONLY | O_DIRECTORY));
    TRY_LET(to, os::open_directory(copy.destination));
    auto copied = copy_tree(from, to);
    if (!copied) {
        empty_directory(copy.destination);
        return std::move(copied).error().with("copy " + copy.path + " of the image to the volume");
    }
    return true;
}

} // namespace shoal::volume
