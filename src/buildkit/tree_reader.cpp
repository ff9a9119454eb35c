#include "buildkit/tree_reader.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace shoal::buildkit {

namespace {

std::string joined(const std::string& directory, const std::string& name) {
    return directory.empty() ? name : directory + "/" + name;
}

/// By path, since there is no call for a name in a directory; the tree is our own.
std::map<std::string, std::string> read_xattrs(const std::string& path) {
    std::map<std::string, std::string> all;
    char names[4096];
    const auto size = ::llistxattr(path.c_str(), names, sizeof names);
    for (ssize_t at = 0; at < size;) {
        const std::string name(names + at);
        at += static_cast<ssize_t>(name.size()) + 1;
        if (!is_portable_xattr(name)) { continue; }
        std::string value(64 * 1024, '\0');
        const auto got = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
        if (got < 0) { continue; }
        value.resize(static_cast<std::size_t>(got));
        all.emplace(name, std::move(value));
    }
    return all;
}

Result<std::string> read_link(const os::Fd& directory, const std::string& name) {
    std::string target(4096, '\0');
    const auto size = ::readlinkat(directory.raw(), name.c_str(), target.data(), target.size());
    if (size < 0) { return os_error("read link " + name, errno); }
    target.resize(static_cast<std::size_t>(size));
    return target;
}

} // namespace

Result<std::unique_ptr<TreeWalk>> TreeWalk::open(const std::string& directory, TreeWish wish) {
    TRY_LET(fd, os::open_directory(directory));
    TRY_LET(filter, TreeFilter::create(fd, wish));
    auto walk = std::unique_ptr<TreeWalk>(new TreeWalk(directory, std::move(filter)));
    TRY_LET(entries, os::list_directory(fd));
    Level level;
    level.fd = std::move(fd);
    level.entries = std::move(entries);
    level.told = true; // the root is nobody's entry
    walk->levels_.push_back(std::move(level));
    return walk;
}

Result<std::vector<TreeEntry>> TreeWalk::next(std::size_t count_max) {
    std::vector<TreeEntry> out;
    while (!levels_.empty() && out.size() < count_max) {
        Level& level = levels_.back();
        if (level.next == level.entries.size()) {
            levels_.pop_back();
            continue;
        }
        const std::string name = level.entries[level.next++].name;
        TRY(visit(level, name, out));
    }
    return out;
}

void TreeWalk::tell_parents(std::vector<TreeEntry>& out) {
    for (auto& level : levels_) {
        if (level.told) { continue; }
        level.told = true;
        out.push_back(level.self);
    }
}

Result<void> TreeWalk::visit(Level& level, const std::string& name, std::vector<TreeEntry>& out) {
    std::string path = joined(level.path, name);
    const bool wanted = filter_.wants(path);
    if (!wanted && !filter_.may_want_beneath(path)) { return ok(); }
    struct stat status {};
    if (::fstatat(level.fd.raw(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) { return ok(); }
        return os_error("stat " + path, errno);
    }
    const bool directory = S_ISDIR(status.st_mode);
    if ((!wanted && !directory) || S_ISSOCK(status.st_mode)) { return ok(); }
    TRY_LET(entry, describe(level, name, path, status));
    if (wanted) {
        tell_parents(out);
        out.push_back(entry);
    }
    if (directory) { return enter(level, name, std::move(entry), wanted); }
    return ok();
}

Result<void> TreeWalk::enter(const Level& level, const std::string& name, TreeEntry entry,
                             bool told) {
    auto fd = os::open_file_at(level.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd && fd.error().code == Errc::NotFound) { return ok(); }
    if (!fd) { return std::move(fd).error().with(entry.path); }
    TRY_LET(entries, os::list_directory(*fd));
    Level next;
    next.path = entry.path;
    next.fd = std::move(*fd);
    next.entries = std::move(entries);
    next.self = std::move(entry);
    next.told = told;
    levels_.push_back(std::move(next)); // `level` is of no use from here on
    return ok();
}

Result<TreeEntry> TreeWalk::describe(const Level& level, const std::string& name, std::string path,
                                     const struct stat& status) {
    TreeEntry entry;
    entry.mode = status.st_mode;
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    entry.size = S_ISREG(status.st_mode) ? status.st_size : 0;
    entry.mtime_nanos = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
    if (S_ISLNK(status.st_mode)) {
        TRY_LET(target, read_link(level.fd, name));
        entry.link = target;
    } else {
        entry.xattrs = read_xattrs(directory_ + "/" + path);
    }
    if (S_ISREG(status.st_mode) && status.st_nlink > 1) {
        const auto [first, is_first] =
            first_names_.emplace(std::pair(status.st_dev, status.st_ino), path);
        if (!is_first) {
            entry.link = first->second;
            entry.size = 0;
        }
    }
    entry.path = std::move(path);
    return entry;
}

Result<TreeFile> TreeFile::open(const os::Fd& root, const std::string& path) {
    os::OpenBeneath how;
    how.rule = os::Beneath::NoEscape;
    how.flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW;
    how.no_links = true;
    TRY_LET(fd, os::open_beneath(root, path, how));
    return TreeFile(std::move(fd));
}

Result<std::string> TreeFile::read(std::size_t bytes_max) {
    std::string bytes(bytes_max, '\0');
    std::size_t used = 0;
    while (used < bytes_max) {
        const auto got = ::read(fd_.raw(), bytes.data() + used, bytes_max - used);
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) { return os_error("read", errno); }
        if (got == 0) { break; }
        used += static_cast<std::size_t>(got);
    }
    bytes.resize(used);
    return bytes;
}

} // namespace shoal::buildkit
