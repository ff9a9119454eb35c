#include "archive/unpacker.h"

#include "archive/xattrs.h"
#include "base/time.h"
#include "os/file.h"

#include <array>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace shoal::archive {

namespace {

/// Errors that the archive itself is to blame for are its reader's, not the machine's.
Error entry_error(const std::string& what, const std::string& name, int number) {
    Error error = os_error(what + " " + name, number);
    switch (number) {
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EINVAL:
    case ENOENT:
    case EEXIST:
    case EMLINK:
        error.code = Errc::Invalid;
        break;
    default:
        break;
    }
    return error;
}

bool is_whiteout(const struct stat& status) {
    return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

std::array<timespec, 2> times_of(Instant mtime) {
    const std::int64_t nanos = unix_nanos(mtime);
    std::int64_t seconds = nanos / 1'000'000'000;
    std::int64_t rest = nanos % 1'000'000'000;
    if (rest < 0) {
        rest += 1'000'000'000;
        --seconds;
    }
    const timespec at{static_cast<time_t>(seconds), static_cast<long>(rest)};
    return {at, at};
}

} // namespace

Result<void> Unpacker::put(const Entry& entry, TarReader& reader) {
    TRY_LET(name, clean_name(entry.name, options_.limits));
    if (name.empty()) { return put_root(entry); }
    const auto [parent_name, base] = split_name(name);
    Place place{nullptr, std::string(parent_name), std::string(base), name};
    if (options_.mode == ExtractMode::Layer && base.starts_with(whiteout_prefix)) {
        return put_whiteout(place, entry).with(name);
    }
    TRY_LET(parent, parent_of(place.parent_name));
    place.parent = parent;
    return put_at(place, entry, reader);
}

Result<void> Unpacker::put_root(const Entry& entry) {
    if (entry.type != EntryType::Directory) {
        return invalid(entry.name + ": the root must be a directory");
    }
    TRY_LET(fd, reopen(root_, O_RDONLY | O_DIRECTORY));
    late_times_.push_back({"", entry.mtime});
    return set_attributes(fd, entry);
}

Result<void> Unpacker::put_at(Place& place, const Entry& entry, TarReader& reader) {
    struct stat status {};
    bool exists =
        ::fstatat(place.parent->raw(), place.base.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (!exists && errno != ENOENT) { return entry_error("stat", place.name, errno); }
    if (entry.type == EntryType::HardLink && exists) {
        TRY_LET(target, clean_name(entry.link, options_.limits).with(place.name));
        if (target == place.name) { return {}; }
    }
    const bool over_whiteout = exists && options_.mode == ExtractMode::Layer &&
                               is_whiteout(status) && entry.type == EntryType::Directory;
    if (exists && !(S_ISDIR(status.st_mode) && entry.type == EntryType::Directory)) {
        TRY(make_room(place, entry, status));
        exists = false;
    }
    switch (entry.type) {
    case EntryType::File:
        return put_file(place, entry, reader);
    case EntryType::Directory:
        return put_directory(place, entry, exists, over_whiteout);
    case EntryType::Symlink:
        return put_symlink(place, entry);
    case EntryType::HardLink:
        return put_hard_link(place, entry);
    case EntryType::CharDevice:
    case EntryType::BlockDevice:
    case EntryType::Fifo:
        return put_node(place, entry);
    case EntryType::Socket:
        return {}; // nobody listens on an archived socket
    }
    return {};
}

/// Takes away what is in the way. What is replaced is never written through.
Result<void> Unpacker::make_room(Place& place, const Entry& entry, const struct stat& status) {
    const bool was_directory = S_ISDIR(status.st_mode);
    const bool becomes_directory = entry.type == EntryType::Directory;
    if (options_.no_overwrite_dir_non_dir && was_directory != becomes_directory) {
        return conflict(
            was_directory ? "cannot overwrite directory \"" + place.name + "\" with non-directory"
                          : "cannot overwrite non-directory \"" + place.name + "\" with directory");
    }
    if (was_directory) {
        TRY(os::remove_tree_at(*place.parent, place.base).with("replace " + place.name));
    } else if (::unlinkat(place.parent->raw(), place.base.c_str(), 0) != 0 && errno != ENOENT) {
        return entry_error("replace", place.name, errno);
    }
    if (!was_directory && !S_ISLNK(status.st_mode)) { return {}; }
    parents_.clear(); // a remembered name may have led through it
    TRY_LET(parent, parent_of(place.parent_name));
    place.parent = parent;
    return {};
}

Result<void> Unpacker::put_whiteout(const Place& place, const Entry& entry) {
    if (place.base == whiteout_opaque) { return put_opaque(place.parent_name); }
    if (place.base.starts_with(whiteout_meta_prefix)) { return {}; } // bookkeeping of aufs
    const std::string hidden = place.base.substr(whiteout_prefix.size());
    if (hidden.empty() || hidden == "." || hidden == "..") {
        return invalid("whiteout of an impossible name");
    }
    TRY_LET(parent, parent_of(place.parent_name));
    struct stat status {};
    if (::fstatat(parent->raw(), hidden.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        // A whiteout hides what lower layers have. What this layer itself made stays; a directory
        // must not be merged.
        if (!S_ISDIR(status.st_mode)) { return {}; }
        return put_opaque(place.parent_name.empty() ? hidden : place.parent_name + "/" + hidden);
    }
    if (::mknodat(parent->raw(), hidden.c_str(), S_IFCHR, 0) != 0) {
        return entry_error("whiteout", hidden, errno);
    }
    const Owner owner = owner_of(entry);
    if (::fchownat(parent->raw(), hidden.c_str(), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0) {
        return entry_error("chown", hidden, errno);
    }
    return {};
}

Result<void> Unpacker::put_opaque(const std::string& parent_name) {
    TRY_LET(directory, parent_of(parent_name));
    if (::setxattr(self_path(*directory).c_str(), overlay_opaque_xattr, "y", 1, 0) != 0) {
        return entry_error("mark as opaque", parent_name, errno);
    }
    return {};
}

Result<void> Unpacker::put_file(const Place& place, const Entry& entry, TarReader& reader) {
    os::Fd file(::openat(place.parent->raw(), place.base.c_str(),
                         O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) { return entry_error("create", place.name, errno); }
    TRY(write_data(file, entry, reader).with(place.name));
    bytes_files_ += entry.size;
    TRY(set_attributes(file, entry).with(place.name));
    const auto times = times_of(entry.mtime);
    if (::futimens(file.raw(), times.data()) != 0) {
        return entry_error("set the time of", place.name, errno);
    }
    return {};
}

Result<void> Unpacker::write_data(const os::Fd& file, const Entry& entry, TarReader& reader) {
    if (entry.size == 0) { return {}; }
    std::uint64_t end = 0;
    while (true) {
        TRY_LET(block, reader.next_block());
        if (block.bytes.empty()) { break; }
        std::string_view bytes = block.bytes;
        std::uint64_t offset = block.offset;
        while (!bytes.empty()) {
            const ssize_t put =
                ::pwrite(file.raw(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (put < 0 && errno == EINTR) { continue; }
            if (put < 0) { return os_error("write", errno); }
            bytes.remove_prefix(static_cast<std::size_t>(put));
            offset += static_cast<std::uint64_t>(put);
        }
        end = std::max(end, offset);
    }
    if (end < entry.size && ::ftruncate(file.raw(), static_cast<off_t>(entry.size)) != 0) {
        return os_error("set the size", errno);
    }
    return {};
}

Result<void> Unpacker::put_directory(const Place& place, const Entry& entry, bool exists,
                                     bool over_whiteout) {
    if (!exists && ::mkdirat(place.parent->raw(), place.base.c_str(), 0700) != 0) {
        return entry_error("make directory", place.name, errno);
    }
    os::Fd directory(::openat(place.parent->raw(), place.base.c_str(),
                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) { return entry_error("open directory", place.name, errno); }
    if (over_whiteout && ::fsetxattr(directory.raw(), overlay_opaque_xattr, "y", 1, 0) != 0) {
        return entry_error("mark as opaque", place.name, errno);
    }
    late_times_.push_back({place.name, entry.mtime});
    return set_attributes(directory, entry).with(place.name);
}

Result<void> Unpacker::put_symlink(const Place& place, const Entry& entry) {
    if (::symlinkat(entry.link.c_str(), place.parent->raw(), place.base.c_str()) != 0) {
        return entry_error("make link", place.name, errno);
    }
    const Owner owner = owner_of(entry);
    if (::fchownat(place.parent->raw(), place.base.c_str(), owner.uid, owner.gid,
                   AT_SYMLINK_NOFOLLOW) != 0) {
        return entry_error("chown", place.name, errno);
    }
    if (!entry.xattrs.empty()) {
        TRY(set_xattrs(self_path(*place.parent) + "/" + place.base, entry).with(place.name));
    }
    const auto times = times_of(entry.mtime);
    if (::utimensat(place.parent->raw(), place.base.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) !=
        0) {
        return entry_error("set the time of", place.name, errno);
    }
    return {};
}

Result<void> Unpacker::put_hard_link(const Place& place, const Entry& entry) {
    TRY_LET(target, clean_name(entry.link, options_.limits).with(place.name));
    if (target.empty()) { return invalid(place.name + ": hard link to the root"); }
    const auto [target_parent, target_base] = split_name(target);
    TRY_LET(from,
            open_name(std::string(target_parent), Follow::All).with(place.name + ": hard link"));
    struct stat status {};
    if (::fstatat(from.raw(), std::string(target_base).c_str(), &status, AT_SYMLINK_NOFOLLOW) !=
        0) {
        return entry_error("link to " + target + " from", place.name, errno);
    }
    if (S_ISDIR(status.st_mode)) { return invalid(place.name + ": hard link to a directory"); }
    if (::linkat(from.raw(), std::string(target_base).c_str(), place.parent->raw(),
                 place.base.c_str(), 0) != 0) {
        return entry_error("link to " + target + " from", place.name, errno);
    }
    return {};
}

Result<void> Unpacker::put_node(const Place& place, const Entry& entry) {
    const mode_t type = entry.type == EntryType::CharDevice    ? S_IFCHR
                        : entry.type == EntryType::BlockDevice ? S_IFBLK
                                                               : S_IFIFO;
    const dev_t device = type == S_IFIFO ? 0 : makedev(entry.device_major, entry.device_minor);
    if (::mknodat(place.parent->raw(), place.base.c_str(), type | 0600, device) != 0) {
        return entry_error("make device", place.name, errno);
    }
    os::Fd node(::openat(place.parent->raw(), place.base.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!node) { return entry_error("open device", place.name, errno); }
    struct stat status {};
    if (::fstat(node.raw(), &status) != 0) { return entry_error("stat", place.name, errno); }
    if ((status.st_mode & S_IFMT) != type) {
        return conflict(place.name + ": replaced while it was being made");
    }
    const Owner owner = owner_of(entry);
    const auto times = times_of(entry.mtime);
    if (::fchownat(node.raw(), "", owner.uid, owner.gid, AT_EMPTY_PATH) != 0 ||
        ::chmod(self_path(node).c_str(), entry.mode) != 0 ||
        ::utimensat(node.raw(), "", times.data(), AT_EMPTY_PATH) != 0) {
        return entry_error("set attributes of", place.name, errno);
    }
    return entry.xattrs.empty() ? ok() : set_xattrs(self_path(node), entry).with(place.name);
}

/// In this order: a change of owner clears setuid bits and file capabilities.
Result<void> Unpacker::set_attributes(const os::Fd& file, const Entry& entry) {
    const Owner owner = owner_of(entry);
    if (::fchown(file.raw(), owner.uid, owner.gid) != 0) { return os_error("chown", errno); }
    if (::fchmod(file.raw(), entry.mode) != 0) { return os_error("chmod", errno); }
    return entry.xattrs.empty() ? ok() : set_xattrs(self_path(file), entry);
}

/// `path` leads to a pinned object, or names a link in a pinned directory. An attribute that the
/// file system or the kernel does not want is left out, as Docker does.
Result<void> Unpacker::set_xattrs(const std::string& path, const Entry& entry) {
    const bool link = entry.type == EntryType::Symlink;
    for (const auto& [name, value] : entry.xattrs) {
        if (is_overlay_xattr(name)) { continue; }
        const auto set = link ? ::lsetxattr : ::setxattr;
        if (set(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) { continue; }
        if (errno == ENOTSUP || errno == EPERM) { continue; }
        return entry_error("set attribute", name, errno);
    }
    return {};
}

Owner Unpacker::owner_of(const Entry& entry) const {
    return options_.owner.value_or(Owner{entry.uid, entry.gid});
}

Result<os::Fd> Unpacker::open_name(const std::string& name, Follow follow) const {
    return open_in_root(root_, name, follow, options_.without_openat2 ? Walk::Steps : Walk::Kernel);
}

Result<const os::Fd*> Unpacker::parent_of(const std::string& name) {
    if (name.empty()) { return &root_; }
    for (auto at = parents_.begin(); at != parents_.end(); ++at) {
        if (at->name != name) { continue; }
        parents_.splice(parents_.begin(), parents_, at);
        return &parents_.front().fd;
    }
    TRY_LET(fd, ensure_parent(name));
    if (parents_.size() == parents_max) { parents_.pop_back(); }
    parents_.push_front({name, std::move(fd)});
    return &parents_.front().fd;
}

Result<os::Fd> Unpacker::ensure_parent(const std::string& name) {
    auto found = open_directory(name);
    if (!found || *found) { return found; }
    // Something on the way is missing: look at every prefix, without recursion, for the name is a
    // stranger's.
    TRY_LET(above, root_.duplicate());
    for (std::size_t end = 0; end != std::string::npos;) {
        const std::size_t begin = end == 0 ? 0 : end + 1;
        end = name.find('/', begin);
        const std::string prefix = name.substr(0, end);
        TRY_LET(present, open_directory(prefix));
        if (!present) {
            TRY(make_missing_directory(above, prefix.substr(begin)).with(prefix));
            TRY_LET(made, open_directory(prefix));
            if (!made) { return invalid(prefix + ": removed while it was being made"); }
            present = std::move(made);
        }
        above = std::move(present);
    }
    return std::move(above);
}

/// An empty descriptor when a directory can be made there: nothing, or a whiteout of this layer.
/// Fails: Invalid for another kind of object.
Result<os::Fd> Unpacker::open_directory(const std::string& name) const {
    auto found = open_name(name, Follow::All);
    if (!found) {
        const bool absent =
            found.error().code == Errc::NotFound || found.error().os_errno == ENOTDIR;
        if (absent) { return os::Fd(); }
        return found;
    }
    struct stat status {};
    if (::fstat(found->raw(), &status) != 0) { return os_error("stat " + name, errno); }
    if (S_ISDIR(status.st_mode)) { return found; }
    if (options_.mode == ExtractMode::Layer && is_whiteout(status)) { return os::Fd(); }
    return invalid(name + ": not a directory");
}

/// A parent that the archive does not mention: 0755, root. Over a whiteout of the same layer it
/// hides what is below.
Result<void> Unpacker::make_missing_directory(const os::Fd& above, const std::string& base) {
    struct stat status {};
    const bool exists = ::fstatat(above.raw(), base.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    const bool hidden = exists && options_.mode == ExtractMode::Layer && is_whiteout(status);
    if (hidden && ::unlinkat(above.raw(), base.c_str(), 0) != 0) {
        return entry_error("replace", base, errno);
    }
    if (::mkdirat(above.raw(), base.c_str(), 0755) != 0) {
        return entry_error("make directory", base, errno == EEXIST ? ENOTDIR : errno);
    }
    os::Fd made(
        ::openat(above.raw(), base.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made) { return entry_error("open directory", base, errno); }
    const Owner owner = options_.owner.value_or(Owner{});
    if (::fchown(made.raw(), owner.uid, owner.gid) != 0) { return os_error("chown", errno); }
    if (::fchmod(made.raw(), 0755) != 0) { return os_error("chmod", errno); }
    if (hidden && ::fsetxattr(made.raw(), overlay_opaque_xattr, "y", 1, 0) != 0) {
        return entry_error("mark as opaque", base, errno);
    }
    return {};
}

Result<void> Unpacker::finish() {
    for (auto late = late_times_.rbegin(); late != late_times_.rend(); ++late) {
        const auto times = times_of(late->mtime);
        auto found = open_name(late->name, Follow::NotLast);
        if (!found) { continue; } // replaced by a later entry
        struct stat status {};
        if (::fstat(found->raw(), &status) != 0 || !S_ISDIR(status.st_mode)) { continue; }
        if (::utimensat(found->raw(), "", times.data(), AT_EMPTY_PATH) != 0) {
            return entry_error("set the time of", late->name, errno);
        }
    }
    return {};
}

} // namespace shoal::archive
