#include "build/copy.h"

#include "archive/path_in_root.h"
#include "archive/xattrs.h"
#include "base/text.h"
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace shoal::build {
namespace {

constexpr std::size_t depth_max = 128; ///< of directories: recursion on a pool thread's stack

std::pair<std::string, std::string> split_last(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) { return {"", path}; }
    return {path.substr(0, slash), path.substr(slash + 1)};
}

Result<os::Fd> open_plain(const os::Fd& root, const std::string& path, int flags) {
    os::OpenBeneath how;
    how.flags = flags;
    how.no_links = true;
    return os::open_beneath(root, path.empty() ? "." : path, how);
}

Result<void> copy_bytes(const os::Fd& in, const os::Fd& out, off_t size, const std::string& path) {
    off_t left = size;
    bool in_kernel = true;
    std::vector<char> buffer;
    while (left > 0) {
        ssize_t moved = 0;
        if (in_kernel) {
            moved = ::copy_file_range(in.raw(), nullptr, out.raw(), nullptr,
                                      static_cast<std::size_t>(left), 0);
            if (moved < 0 &&
                (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
                in_kernel = false;
                buffer.resize(256 * 1024);
                continue;
            }
        } else {
            moved = ::read(in.raw(), buffer.data(), buffer.size());
            if (moved > 0) {
                TRY(os::write_all(out, {buffer.data(), static_cast<std::size_t>(moved)}));
            }
        }
        if (moved < 0 && errno == EINTR) { continue; }
        if (moved < 0) { return os_error("copy " + path, errno); }
        if (moved == 0) { break; }
        left -= moved;
    }
    return ok();
}

/// A directory of the destination: its descriptor and its path below the root.
struct Place {
    os::Fd fd;
    std::string path;
};

class Copier {
  public:
    Copier(const os::Fd& source, const CopyTarget& target, const CopyRules& rules)
        : source_(source), target_(target), rules_(rules) {}

    Result<void> copy(const std::vector<Selected>& items) {
        const bool many = items.size() > 1;
        for (const auto& item : items) {
            TRY(item.directory ? copy_directory_item(item) : copy_file_item(item, many));
        }
        return ok();
    }
    std::vector<Deferred> take_deferred() const {
        std::vector<Deferred> all;
        for (const auto& [target, source] : deferred_) { all.push_back({source, target}); }
        return all;
    }

  private:
    Owner owner_for_new() const { return rules_.owner.value_or(Owner{}); }

    Result<Place> place(const std::string& path) {
        auto made = ensure_path(*target_.root, path, owner_for_new());
        if (!made) { return std::move(made).error(); }
        TRY_LET(real, archive::resolve_in_root(*target_.root, path));
        return Place{std::move(*made), clean_relative(real)};
    }

    Result<void> copy_directory_item(const Selected& item) {
        const std::string path = rules_.parents ? target_.path + "/" + item.name : target_.path;
        if (rules_.parents) { TRY(copy_parents(item)); }
        TRY_LET(into, place(path));
        TRY_LET(from, open_plain(source_, item.path, O_RDONLY | O_DIRECTORY));
        return copy_content(from, item.path, into, "", 0);
    }

    /// Directories on the way get the modes that the source's have.
    Result<void> copy_parents(const Selected& item) {
        const std::string parent = item.directory ? item.name : split_last(item.name).first;
        if (parent.empty()) { return ok(); }
        const std::size_t above =
            item.path.size() >= item.name.size() ? item.path.size() - item.name.size() : 0;
        const std::string base = item.path.substr(0, above);
        std::string at;
        for (const auto& part : split(parent, '/')) {
            at = join_path(at, part);
            auto from =
                open_plain(source_, clean_relative(base + "/" + at), O_RDONLY | O_DIRECTORY);
            struct stat status {};
            std::uint32_t mode = 0755;
            if (from && ::fstat(from->raw(), &status) == 0) { mode = status.st_mode & 07777; }
            TRY(ensure_path(*target_.root, target_.path + "/" + at, owner_for_new(),
                            rules_.mode.apply(mode, true)));
        }
        return ok();
    }

    Result<void> copy_file_item(const Selected& item, bool many) {
        const auto [parent, base] = split_last(item.path);
        TRY_LET(from, open_plain(source_, parent, O_RDONLY | O_DIRECTORY));
        if (rules_.parents) {
            TRY(copy_parents(item));
            const auto [above, name] = split_last(item.name);
            TRY_LET(into, place(target_.path + "/" + above));
            return copy_entry(from, base, item.path, into, name);
        }
        if (many || target_.path.ends_with('/') || is_directory_there()) {
            TRY_LET(into, place(target_.path));
            return copy_entry(from, base, item.path, into, item.name);
        }
        const auto [above, name] = split_last(target_.path);
        TRY_LET(into, place(above.empty() ? "/" : above));
        return copy_entry(from, base, item.path, into, name);
    }

    bool is_directory_there() const {
        auto found = archive::open_in_root(*target_.root, target_.path, archive::Follow::All);
        struct stat status {};
        return found && ::fstat(found->raw(), &status) == 0 && S_ISDIR(status.st_mode);
    }

    Result<void> copy_content(const os::Fd& from, const std::string& from_path, const Place& into,
                              const std::string& shown, std::size_t depth) {
        if (depth > depth_max) {
            return Error{Errc::Exhausted, from_path + ": directories nested too deeply"};
        }
        TRY_LET(list, os::list_directory(from));
        for (const auto& entry : list) {
            if (rules_.cancelled != nullptr && *rules_.cancelled) {
                return Error{Errc::Cancelled, "cancelled"};
            }
            const std::string name = join_path(shown, entry.name);
            const std::string path = join_path(from_path, entry.name);
            const bool out = rules_.exclude != nullptr && rules_.exclude->matches(name);
            if (entry.type != DT_DIR) {
                if (!out) { TRY(copy_entry(from, entry.name, path, into, entry.name)); }
                continue;
            }
            if (out && !rules_.exclude->may_reenter(name)) { continue; }
            TRY_LET(child, os::open_file_at(from, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
            TRY_LET(made, make_directory(child, into, entry.name));
            TRY(copy_content(child, path, made, name, depth + 1));
            TRY(set_times(child, made.fd));
        }
        return ok();
    }

    Result<Place> make_directory(const os::Fd& from, const Place& into, const std::string& name) {
        struct stat status {};
        if (::fstat(from.raw(), &status) != 0) { return os_error("stat " + name, errno); }
        struct stat there {};
        if (::fstatat(into.fd.raw(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
            if (S_ISLNK(there.st_mode)) { return through_link(into, name); }
            if (!S_ISDIR(there.st_mode)) {
                if (::unlinkat(into.fd.raw(), name.c_str(), 0) != 0) {
                    return os_error("remove " + name, errno);
                }
                forget(join_path(into.path, name));
            }
        }
        if (::mkdirat(into.fd.raw(), name.c_str(), 0700) != 0 && errno != EEXIST) {
            return os_error("create " + join_path(into.path, name), errno);
        }
        TRY_LET(made, os::open_file_at(into.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        TRY_LET(xattrs, archive::read_xattrs(from));
        TRY(set_attributes(made, status, xattrs));
        return Place{std::move(made), join_path(into.path, name)};
    }

    /// A directory of the source meets a link to a directory in the image (/lib -> usr/lib): what
    /// is in it goes where the link leads.
    Result<Place> through_link(const Place& into, const std::string& name) {
        const std::string path = join_path(into.path, name);
        auto found = archive::open_in_root(*target_.root, path, archive::Follow::All);
        struct stat status {};
        if (found && ::fstat(found->raw(), &status) == 0 && S_ISDIR(status.st_mode)) {
            return place("/" + path);
        }
        if (::unlinkat(into.fd.raw(), name.c_str(), 0) != 0) {
            return os_error("remove " + path, errno);
        }
        if (::mkdirat(into.fd.raw(), name.c_str(), 0755) != 0) {
            return os_error("create " + path, errno);
        }
        return place("/" + path);
    }

    Result<void> clear(const Place& into, const std::string& name) {
        struct stat there {};
        if (::fstatat(into.fd.raw(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
            return errno == ENOENT ? ok() : os_error("stat " + name, errno);
        }
        if (S_ISDIR(there.st_mode)) {
            return invalid("cannot copy to non-directory: /" + join_path(into.path, name) +
                           " is a directory");
        }
        if (::unlinkat(into.fd.raw(), name.c_str(), 0) != 0) {
            return os_error("remove " + join_path(into.path, name), errno);
        }
        forget(join_path(into.path, name));
        return ok();
    }

    /// What stood at `path` is replaced: neither its content nor links to it are wanted any more.
    void forget(const std::string& path) {
        deferred_.erase(path);
        std::erase_if(links_, [&](const auto& link) { return link.second == path; });
    }

    Result<void> copy_entry(const os::Fd& from, const std::string& base,
                            const std::string& from_path, const Place& into,
                            const std::string& name) {
        struct stat status {};
        if (::fstatat(from.raw(), base.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return os_error("stat " + from_path, errno);
        }
        if (S_ISSOCK(status.st_mode)) { return ok(); }
        TRY(clear(into, name));
        if (S_ISREG(status.st_mode)) {
            return copy_file(from, base, from_path, into, name, status);
        }
        TRY(S_ISLNK(status.st_mode) ? copy_link(from, base, from_path, into, name)
                                    : copy_node(from_path, into, name, status));
        return finish_node(into, name, status);
    }

    Result<void> copy_link(const os::Fd& from, const std::string& base,
                           const std::string& from_path, const Place& into,
                           const std::string& name) {
        std::string link(4097, '\0');
        const ssize_t length = ::readlinkat(from.raw(), base.c_str(), link.data(), link.size() - 1);
        if (length < 0) { return os_error("readlink " + from_path, errno); }
        link.resize(static_cast<std::size_t>(length));
        if (::symlinkat(link.c_str(), into.fd.raw(), name.c_str()) != 0) {
            return os_error("link " + join_path(into.path, name), errno);
        }
        return ok();
    }

    Result<void> copy_node(const std::string& from_path, const Place& into, const std::string& name,
                           const struct stat& status) {
        const bool device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
        if (device && (!rules_.devices || status.st_rdev == 0)) {
            return invalid(from_path + ": a device node cannot be copied from here");
        }
        if (::mknodat(into.fd.raw(), name.c_str(), (status.st_mode & S_IFMT) | 0600,
                      status.st_rdev) != 0) {
            return os_error("create " + join_path(into.path, name), errno);
        }
        return ok();
    }

    Result<void> finish_node(const Place& into, const std::string& name,
                             const struct stat& status) {
        const Owner owner = rules_.owner.value_or(Owner{status.st_uid, status.st_gid});
        if (::fchownat(into.fd.raw(), name.c_str(), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) !=
            0) {
            return os_error("chown " + name, errno);
        }
        const auto mode = rules_.mode.apply(status.st_mode & 07777, false);
        if (!S_ISLNK(status.st_mode) && ::fchmodat(into.fd.raw(), name.c_str(), mode, 0) != 0) {
            return os_error("chmod " + name, errno);
        }
        const timespec times[2] = {status.st_mtim, status.st_mtim};
        if (::utimensat(into.fd.raw(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
            return os_error("set the time of " + name, errno);
        }
        return ok();
    }

    bool can_defer(const struct stat& status, const archive::Xattrs& xattrs) const {
        if (rules_.defer_from_bytes == 0 || status.st_size < rules_.defer_from_bytes) {
            return false;
        }
        const Owner owner = rules_.owner.value_or(Owner{status.st_uid, status.st_gid});
        const auto mode = status.st_mode & 07777;
        return owner == Owner{status.st_uid, status.st_gid} &&
               rules_.mode.apply(mode, false) == mode && xattrs.empty();
    }

    Result<void> copy_file(const os::Fd& from, const std::string& base,
                           const std::string& from_path, const Place& into, const std::string& name,
                           const struct stat& status) {
        TRY_LET(made_link, copy_as_hard_link(into, name, status));
        if (made_link) { return ok(); }
        TRY_LET(in, os::open_file_at(from, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        TRY_LET(out,
                os::open_file_at(into.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
        TRY_LET(xattrs, archive::read_xattrs_at(from, base));
        const bool defer = can_defer(status, xattrs);
        if (defer) {
            deferred_[join_path(into.path, name)] = from_path;
        } else {
            TRY(copy_bytes(in, out, status.st_size, from_path));
        }
        TRY(set_attributes(out, status, xattrs));
        return set_times(in, out);
    }

    Result<bool> copy_as_hard_link(const Place& into, const std::string& name,
                                   const struct stat& status) {
        if (status.st_nlink < 2) { return false; }
        const auto key = std::make_pair(status.st_dev, status.st_ino);
        const std::string path = join_path(into.path, name);
        const auto [known, fresh] = links_.try_emplace(key, path);
        if (fresh) { return false; }
        if (rules_.defer_from_bytes != 0) { return false; } // a tree of ours: links between trees
        const auto [parent, base] = split_last(known->second);
        TRY_LET(directory, open_plain(*target_.root, parent, O_RDONLY | O_DIRECTORY));
        if (::linkat(directory.raw(), base.c_str(), into.fd.raw(), name.c_str(), 0) != 0) {
            return os_error("link " + path, errno);
        }
        return true;
    }

    Result<void> set_attributes(const os::Fd& made, const struct stat& status,
                                const archive::Xattrs& xattrs) {
        const Owner owner = rules_.owner.value_or(Owner{status.st_uid, status.st_gid});
        if (::fchown(made.raw(), owner.uid, owner.gid) != 0) { return os_error("chown", errno); }
        const auto mode = rules_.mode.apply(status.st_mode & 07777, S_ISDIR(status.st_mode));
        if (::fchmod(made.raw(), mode) != 0) { return os_error("chmod", errno); }
        for (const auto& [name, value] : xattrs) {
            if (archive::is_overlay_xattr(name) || name == "security.selinux") { continue; }
            if (::fsetxattr(made.raw(), name.c_str(), value.data(), value.size(), 0) != 0) {
                return os_error("set " + name, errno);
            }
        }
        return ok();
    }

    static Result<void> set_times(const os::Fd& from, const os::Fd& made) {
        struct stat status {};
        if (::fstat(from.raw(), &status) != 0) { return os_error("stat", errno); }
        const timespec times[2] = {status.st_mtim, status.st_mtim};
        if (::futimens(made.raw(), times) != 0) { return os_error("set a time", errno); }
        return ok();
    }

    const os::Fd& source_;
    const CopyTarget& target_;
    const CopyRules& rules_;
    std::map<std::pair<dev_t, ino_t>, std::string> links_;
    std::map<std::string, std::string> deferred_; ///< target to source
};

} // namespace

Result<os::Fd> ensure_path(const os::Fd& root, std::string_view path, Owner owner,
                           std::uint32_t mode) {
    std::string at = "/";
    TRY_LET(top, archive::open_in_root(root, "/", archive::Follow::All));
    os::Fd here = std::move(top);
    for (const auto& part : split(path, '/')) {
        if (part.empty() || part == ".") { continue; }
        at += part + "/";
        auto next = archive::open_in_root(root, at, archive::Follow::All);
        if (!next && next.error().code == Errc::NotFound) {
            if (::mkdirat(here.raw(), part.c_str(), 0700) != 0) {
                const int problem = errno;
                // A link that leads nowhere: what it names is made.
                if (problem == EEXIST) {
                    return invalid("cannot create " + at + ": a link is there");
                }
                return os_error("create " + at, problem);
            }
            next = archive::open_in_root(root, at, archive::Follow::All);
            if (!next) { return std::move(next).error(); }
            TRY_LET(made, archive::reopen(*next, O_RDONLY | O_DIRECTORY));
            if (::fchown(made.raw(), owner.uid, owner.gid) != 0 ||
                ::fchmod(made.raw(), mode) != 0) {
                return os_error("chown " + at, errno);
            }
        }
        if (!next) { return invalid("cannot copy to non-directory: " + std::string(path)); }
        struct stat status {};
        if (::fstat(next->raw(), &status) != 0 || !S_ISDIR(status.st_mode)) {
            return invalid("cannot copy to non-directory: " + std::string(path));
        }
        here = std::move(*next);
    }
    return archive::reopen(here, O_RDONLY | O_DIRECTORY);
}

Result<std::vector<Deferred>> copy_selected(const os::Fd& source,
                                            const std::vector<Selected>& items,
                                            const CopyTarget& target, const CopyRules& rules) {
    Copier copier(source, target, rules);
    TRY(copier.copy(items));
    return copier.take_deferred();
}

namespace {

/// The placeholder gets a copy, where links cannot be (too many of one file).
Result<void> fill(const os::Fd& from, const std::string& from_base, const os::Fd& to,
                  const std::string& to_base) {
    TRY_LET(in, os::open_file_at(from, from_base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    TRY_LET(out, os::open_file_at(to, to_base, O_WRONLY | O_NOFOLLOW));
    struct stat status {};
    if (::fstat(in.raw(), &status) != 0) { return os_error("stat " + from_base, errno); }
    TRY(copy_bytes(in, out, status.st_size, from_base));
    const timespec times[2] = {status.st_mtim, status.st_mtim};
    if (::futimens(out.raw(), times) != 0) { return os_error("set the time of " + to_base, errno); }
    return ok();
}

} // namespace

Result<void> link_deferred(const os::Fd& source, const os::Fd& upper_root,
                           const std::vector<Deferred>& files) {
    for (const auto& file : files) {
        const auto [from_parent, from_base] = split_last(file.source);
        const auto [to_parent, to_base] = split_last(file.target);
        TRY_LET(from, open_plain(source, from_parent, O_RDONLY | O_DIRECTORY));
        TRY_LET(to, open_plain(upper_root, to_parent, O_RDONLY | O_DIRECTORY));
        // A later source may have put something else there.
        struct stat status {};
        const bool there = ::fstatat(to.raw(), to_base.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
        if (!there || !S_ISREG(status.st_mode) || status.st_size != 0) { continue; }
        const std::string beside = to_base + ".shoal-link";
        if (::linkat(from.raw(), from_base.c_str(), to.raw(), beside.c_str(), 0) != 0) {
            TRY(fill(from, from_base, to, to_base));
        } else if (::renameat(to.raw(), beside.c_str(), to.raw(), to_base.c_str()) != 0) {
            return os_error("replace " + file.target, errno);
        }
    }
    return ok();
}

Result<void> write_inline(const CopyTarget& target, const std::string& name,
                          std::string_view content, bool into_directory, InlineTarget how) {
    std::string path = target.path;
    auto there = archive::open_in_root(*target.root, path, archive::Follow::All);
    struct stat status {};
    const bool directory = there && ::fstat(there->raw(), &status) == 0 && S_ISDIR(status.st_mode);
    if (into_directory || directory || path.ends_with('/')) { path += "/" + name; }
    const auto slash = path.rfind('/');
    TRY_LET(into, ensure_path(*target.root, path.substr(0, slash), how.owner));
    const std::string base = path.substr(slash + 1);
    if (::unlinkat(into.raw(), base.c_str(), 0) != 0 && errno != ENOENT) {
        return os_error("replace " + path, errno);
    }
    TRY_LET(file, os::open_file_at(into, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    TRY(os::write_all(file, content));
    if (::fchown(file.raw(), how.owner.uid, how.owner.gid) != 0 ||
        ::fchmod(file.raw(), how.mode) != 0) {
        return os_error("chown " + path, errno);
    }
    return ok();
}

} // namespace shoal::build
