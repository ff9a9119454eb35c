#include "archive/changes.h"

#include "archive/xattrs.h"
#include "os/file.h"

#include <fcntl.h>
#include <set>
#include <sys/stat.h>

namespace shoal::archive {

namespace {

constexpr int depth_max = 1024; ///< a descriptor is held per level and layer

bool is_whiteout(const struct stat& status) { return S_ISCHR(status.st_mode) && status.st_rdev == 0; }

/// One merged directory of the lower layers: its parts, topmost first.
using Lowers = std::vector<os::Fd>;

struct Found {
    bool exists = false;
    struct stat status {};
    Lowers parts; ///< when it is a directory
};

os::Fd open_directory_at(const os::Fd& parent, const std::string& name) {
    return os::Fd(::openat(parent.raw(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/// What overlayfs would show for `name` without the upper directory.
Found look_up(const Lowers& lowers, const std::string& name) {
    Found found;
    for (const auto& lower : lowers) {
        struct stat status {};
        if (::fstatat(lower.raw(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) { continue; }
        if (is_whiteout(status)) { break; }
        if (found.exists && !S_ISDIR(status.st_mode)) { break; }
        if (!found.exists) { found.status = status; }
        found.exists = true;
        if (!S_ISDIR(status.st_mode)) { break; }
        os::Fd part = open_directory_at(lower, name);
        const bool opaque = part && is_opaque(part);
        if (part) { found.parts.push_back(std::move(part)); }
        if (opaque) { break; }
    }
    return found;
}

bool same_time(const timespec& a, const timespec& b) {
    // A layer's archive has whole seconds.
    return a.tv_sec == b.tv_sec && (a.tv_nsec == b.tv_nsec || a.tv_nsec == 0 || b.tv_nsec == 0);
}

bool same_directory(const struct stat& a, const struct stat& b) {
    return a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid && same_time(a.st_mtim, b.st_mtim);
}

class Walk {
  public:
    std::vector<Change> take() && { return std::move(changes_); }

    /// `opaque`: nothing of the lower directory shows through; what it had and the upper has not is deleted.
    Result<void> visit(const os::Fd& upper, const Lowers& lowers, const std::string& path, bool opaque, int depth) {
        if (depth > depth_max) { return Error{Errc::Exhausted, path + ": directories nested too deeply"}; }
        TRY_LET(list, os::list_directory(upper));
        std::set<std::string> names;
        std::set<std::string> present;
        for (const auto& child : list) {
            names.insert(child.name);
            present.insert(child.name);
        }
        if (opaque) { TRY(add_lower_names(lowers, names)); }
        for (const auto& name : names) {
            TRY(present.contains(name) ? visit_child(upper, lowers, name, path, opaque, depth)
                                       : visit_hidden(lowers, name, path));
        }
        return {};
    }

  private:
    static Result<void> add_lower_names(const Lowers& lowers, std::set<std::string>& names) {
        for (const auto& lower : lowers) {
            TRY_LET(list, os::list_directory(lower));
            for (const auto& child : list) { names.insert(child.name); }
        }
        return {};
    }

    Result<void> visit_hidden(const Lowers& lowers, const std::string& name, const std::string& path) {
        if (look_up(lowers, name).exists) { record(ChangeKind::Deleted, path, name); }
        return {};
    }

    Result<void> visit_child(const os::Fd& upper, const Lowers& lowers, const std::string& name, const std::string& path,
                             bool opaque, int depth) {
        struct stat status {};
        if (::fstatat(upper.raw(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) { return {}; } // gone meanwhile
        const Found below = look_up(lowers, name);
        if (is_whiteout(status)) {
            if (below.exists) { record(ChangeKind::Deleted, path, name); }
            return {};
        }
        if (!S_ISDIR(status.st_mode)) {
            record(below.exists ? ChangeKind::Modified : ChangeKind::Added, path, name);
            return {};
        }
        os::Fd directory = open_directory_at(upper, name);
        if (!directory) { return {}; }
        const bool hides = opaque || is_opaque(directory);
        if (!below.exists) {
            record(ChangeKind::Added, path, name);
        } else if (!S_ISDIR(below.status.st_mode) || !same_directory(status, below.status)) {
            record(ChangeKind::Modified, path, name);
        }
        return visit(directory, below.parts, path + "/" + name, hides, depth + 1);
    }

    /// A directory with something added or deleted counts as modified although it looks the same.
    void record(ChangeKind kind, const std::string& path, const std::string& name) {
        if (kind != ChangeKind::Modified && !path.empty() && !recorded_.contains(path)) {
            const auto slash = path.rfind('/');
            record(ChangeKind::Modified, path.substr(0, slash), path.substr(slash + 1));
        }
        recorded_.insert(path + "/" + name);
        changes_.push_back({kind, path + "/" + name});
    }

    std::vector<Change> changes_;
    std::set<std::string> recorded_;
};

Result<void> add_sizes(const os::Fd& directory, std::set<std::pair<dev_t, ino_t>>& seen, std::uint64_t& total, int depth) {
    if (depth > depth_max) { return Error{Errc::Exhausted, "directories nested too deeply"}; }
    TRY_LET(list, os::list_directory(directory));
    for (const auto& child : list) {
        struct stat status {};
        if (::fstatat(directory.raw(), child.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) { continue; }
        if (S_ISDIR(status.st_mode)) {
            os::Fd inner = open_directory_at(directory, child.name);
            if (inner) { TRY(add_sizes(inner, seen, total, depth + 1)); }
        } else if (status.st_nlink < 2 || seen.emplace(status.st_dev, status.st_ino).second) {
            total += static_cast<std::uint64_t>(status.st_size);
        }
    }
    return {};
}

Result<os::Fd> readable(const os::Fd& directory) {
    os::Fd opened(::openat(directory.raw(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened) { return os_error("open directory", errno); }
    return opened;
}

} // namespace

Result<std::vector<Change>> list_changes(const os::Fd& upper, const std::vector<os::Fd>& lowers) {
    Lowers parts;
    for (const auto& lower : lowers) {
        TRY_LET(part, readable(lower));
        parts.push_back(std::move(part));
    }
    TRY_LET(top, readable(upper));
    Walk walk;
    TRY(walk.visit(top, parts, "", false, 0));
    return std::move(walk).take();
}

Result<std::uint64_t> tree_size(const os::Fd& directory) {
    TRY_LET(top, readable(directory));
    std::set<std::pair<dev_t, ino_t>> seen;
    std::uint64_t total = 0;
    TRY(add_sizes(top, seen, total, 0));
    return total;
}

} // namespace shoal::archive
