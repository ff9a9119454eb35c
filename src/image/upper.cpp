#include "image/upper.h"

#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <vector>

namespace shoal::image {
namespace {

/// Overlayfs's notes about where a copy came from; they mean nothing in a lower directory.
constexpr const char* notes[] = {"trusted.overlay.origin", "trusted.overlay.impure",
                                 "trusted.overlay.nlink", "trusted.overlay.uuid",
                                 "trusted.overlay.protattr"};

Result<void> clamp_time(const os::Fd& directory, const char* name, const struct stat& status,
                        Instant newest) {
    const auto nanos = newest.time_since_epoch().count();
    const timespec limit{nanos / 1'000'000'000, nanos % 1'000'000'000};
    const bool later =
        status.st_mtim.tv_sec > limit.tv_sec ||
        (status.st_mtim.tv_sec == limit.tv_sec && status.st_mtim.tv_nsec > limit.tv_nsec);
    if (!later) { return ok(); }
    const timespec times[2] = {limit, limit};
    if (::utimensat(directory.raw(), name, times, AT_SYMLINK_NOFOLLOW) != 0) {
        return os_error(std::string("set the time of ") + name, errno);
    }
    return ok();
}

void drop_notes(const os::Fd& directory, const std::string& name) {
    const std::string path = "/proc/self/fd/" + std::to_string(directory.raw()) + "/" + name;
    for (const char* note : notes) { (void)::lremovexattr(path.c_str(), note); }
}

struct Level {
    os::Fd directory;
    std::string name; ///< within the level above
    std::vector<os::Entry> list;
    std::size_t next = 0;
};

Result<Level> enter(const os::Fd& parent, const std::string& name) {
    TRY_LET(fd, os::open_file_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY_LET(list, os::list_directory(fd));
    return Level{std::move(fd), name, std::move(list), 0};
}

} // namespace

Result<void> tidy_upper(const std::string& directory, std::optional<Instant> newest) {
    TRY_LET(root, os::open_directory(directory));
    drop_notes(root, ".");
    std::vector<Level> levels;
    TRY_LET(top, enter(root, "."));
    levels.push_back(std::move(top));
    while (!levels.empty()) {
        Level& level = levels.back();
        if (level.next < level.list.size()) {
            const os::Entry entry = level.list[level.next++];
            struct stat status {};
            if (::fstatat(level.directory.raw(), entry.name.c_str(), &status,
                          AT_SYMLINK_NOFOLLOW) != 0) {
                return os_error("stat " + entry.name, errno);
            }
            drop_notes(level.directory, entry.name);
            if (S_ISDIR(status.st_mode)) {
                TRY_LET(below, enter(level.directory, entry.name));
                levels.push_back(std::move(below));
            } else if (newest) {
                TRY(clamp_time(level.directory, entry.name.c_str(), status, *newest));
            }
            continue;
        }
        // A directory's own time last: removing nothing in it, nothing changes it again.
        const std::string name = level.name;
        levels.pop_back();
        if (levels.empty() || !newest) { continue; }
        struct stat status {};
        if (::fstatat(levels.back().directory.raw(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) !=
            0) {
            return os_error("stat " + name, errno);
        }
        TRY(clamp_time(levels.back().directory, name.c_str(), status, *newest));
    }
    return ok();
}

} // namespace shoal::image
