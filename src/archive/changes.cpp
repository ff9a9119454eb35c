#include "archive/changes.h"

#include "archive/xattrs.h"
#include "os/file.h"

#include <fcntl.h>
#include <map>
#include <set>
#include <sys/stat.h>

namespace shoal::archive {

namespace {

constexpr std::size_t levels_max = 1024; ///< a descriptor is held per level and layer

bool is_whiteout(const struct stat& status) {
    return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

/// One merged directory of the lower layers: its parts, topmost first.
using Lowers = std::vector<os::Fd>;

struct Found {
    bool exists = false;
    struct stat status {};
    Lowers parts; ///< when it is a directory
};

os::Fd open_directory_at(const os::Fd& parent, const std::string& name) {
    return os::Fd(
        ::openat(parent.raw(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
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
    return a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid &&
           same_time(a.st_mtim, b.st_mtim);
}

class Walk {
  public:
    std::vector<Change> take() && { return std::move(changes_); }

    Result<void> run(os::Fd upper, Lowers lowers) {
        TRY(enter(std::move(upper), std::move(lowers), "", false));
        while (!levels_.empty()) {
            Level& level = levels_.back();
            if (level.next == level.names.size()) {
                levels_.pop_back();
                continue;
            }
            const Name name = level.names[level.next++];
            TRY(name.in_upper ? visit(level, name.text) : visit_hidden(level, name.text));
        }
        return {};
    }

  private:
    struct Name {
        std::string text;
        bool in_upper;
    };
    /// A directory being compared. An explicit stack: the depth is up to whoever made the tree.
    struct Level {
        os::Fd upper;
        Lowers lowers;
        std::string path;
        bool opaque; ///< nothing of the lower directory shows through; what it had and the upper
                     ///< has not is deleted
        std::vector<Name> names;
        std::size_t next = 0;
    };

    Result<void> enter(os::Fd upper, Lowers lowers, std::string path, bool opaque) {
        if (levels_.size() == levels_max) {
            return Error{Errc::Exhausted, path + ": directories nested too deeply"};
        }
        std::map<std::string, bool> names;
        TRY_LET(list, os::list_directory(upper));
        for (const auto& child : list) { names[child.name] = true; }
        for (const auto& lower : lowers) {
            if (!opaque) { break; }
            TRY_LET(below, os::list_directory(lower));
            for (const auto& child : below) { names.try_emplace(child.name, false); }
        }
        Level level{std::move(upper), std::move(lowers), std::move(path), opaque, {}};
        for (const auto& [text, in_upper] : names) { level.names.push_back({text, in_upper}); }
        levels_.push_back(std::move(level));
        return {};
    }

    Result<void> visit_hidden(const Level& level, const std::string& name) {
        if (look_up(level.lowers, name).exists) { record(ChangeKind::Deleted, level.path, name); }
        return {};
    }

    Result<void> visit(const Level& level, const std::string& name) {
        struct stat status {};
        if (::fstatat(level.upper.raw(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return {};
        } // gone meanwhile
        Found below = look_up(level.lowers, name);
        if (is_whiteout(status)) {
            if (below.exists) { record(ChangeKind::Deleted, level.path, name); }
            return {};
        }
        if (!S_ISDIR(status.st_mode)) {
            record(below.exists ? ChangeKind::Modified : ChangeKind::Added, level.path, name);
            return {};
        }
        os::Fd directory = open_directory_at(level.upper, name);
        if (!directory) { return {}; }
        const bool opaque = level.opaque || is_opaque(directory);
        if (!below.exists) {
            record(ChangeKind::Added, level.path, name);
        } else if (!S_ISDIR(below.status.st_mode) || !same_directory(status, below.status)) {
            record(ChangeKind::Modified, level.path, name);
        }
        return enter(std::move(directory), std::move(below.parts), level.path + "/" + name, opaque);
    }

    /// A directory with something changed below counts as modified although it looks the same.
    void record(ChangeKind kind, const std::string& path, const std::string& name) {
        if (!path.empty() && !recorded_.contains(path)) {
            const auto slash = path.rfind('/');
            record(ChangeKind::Modified, path.substr(0, slash), path.substr(slash + 1));
        }
        recorded_.insert(path + "/" + name);
        changes_.push_back({kind, path + "/" + name});
    }

    std::vector<Level> levels_;
    std::vector<Change> changes_;
    std::set<std::string> recorded_;
};

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
    TRY(walk.run(std::move(top), std::move(parts)));
    return std::move(walk).take();
}

Result<std::uint64_t> tree_size(const os::Fd& directory) {
    TRY_LET(top, readable(directory));
    std::vector<std::pair<os::Fd, std::vector<os::Entry>>>
        levels; // what is left to do in each open directory
    TRY_LET(list, os::list_directory(top));
    levels.emplace_back(std::move(top), std::move(list));
    std::set<std::pair<dev_t, ino_t>> seen;
    std::uint64_t total = 0;
    while (!levels.empty()) {
        auto& [parent, left] = levels.back();
        if (left.empty()) {
            levels.pop_back();
            continue;
        }
        const std::string name = std::move(left.back().name);
        left.pop_back();
        struct stat status {};
        if (::fstatat(parent.raw(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) { continue; }
        if (!S_ISDIR(status.st_mode)) {
            const bool first =
                status.st_nlink < 2 || seen.emplace(status.st_dev, status.st_ino).second;
            total += first ? static_cast<std::uint64_t>(status.st_size) : 0;
            continue;
        }
        if (levels.size() == levels_max) {
            return Error{Errc::Exhausted, "directories nested too deeply"};
        }
        os::Fd inner = open_directory_at(parent, name);
        if (!inner) { continue; }
        TRY_LET(content, os::list_directory(inner));
        levels.emplace_back(std::move(inner), std::move(content));
    }
    return total;
}

} // namespace shoal::archive
