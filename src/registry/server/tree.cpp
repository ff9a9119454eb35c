#include "registry/server/tree.h"

#include "os/clock.h"

#include <atomic>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::registry {
namespace {

std::string directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}
std::string name_in(const std::string& path) { return path.substr(path.rfind('/') + 1); }

os::OpenBeneath beneath(int flags, mode_t mode = 0) {
    os::OpenBeneath how;
    how.rule = os::Beneath::NoEscape;
    how.flags = flags;
    how.mode = mode;
    how.no_links = true;
    return how;
}

Result<void> write_new(const os::Fd& directory, const std::string& name, std::string_view bytes,
                       Tree::Durable durable) {
    TRY_LET(file, os::open_file_at(directory, name, O_WRONLY | O_CREAT | O_EXCL, 0644));
    TRY(os::write_all(file, bytes));
    if (durable == Tree::Durable::Yes && ::fdatasync(file.raw()) != 0) {
        return os_error("sync", errno);
    }
    return ok();
}

} // namespace

Tree::Tree(os::Fd root, std::string path, std::string tag)
    : root_(std::make_shared<os::Fd>(std::move(root))), path_(std::move(path)),
      tag_(std::move(tag)) {}

Result<Tree> Tree::open(const std::string& path) {
    TRY(os::ensure_directory(path, 0755));
    TRY_LET(root, os::open_directory(path));
    return Tree(std::move(root), path, os::SystemRandom().hex(8));
}

Result<os::Fd> Tree::parent_of(const std::string& path) const {
    return os::open_beneath(*root_, directory_of(path), beneath(O_PATH | O_DIRECTORY));
}

Result<os::Fd> Tree::open_file(const std::string& path, int flags, mode_t mode) const {
    return os::open_beneath(*root_, path, beneath(flags, mode));
}

Result<std::string> Tree::read(const std::string& path, std::size_t bytes_max) const {
    TRY_LET(file, open_file(path, O_RDONLY));
    return os::read_all(file, bytes_max).with(path);
}

/// `path` itself or the one above it that is there.
std::string Tree::nearest_directory(std::string path) const {
    while (!path.empty() && !has(path)) { path = directory_of(path); }
    return path;
}

/// From `directory` up to `last`, which had been there before.
Result<void> Tree::sync_up(std::string directory, const std::string& last) const {
    while (true) {
        TRY(sync_directory(directory));
        if (directory.size() <= last.size()) { return ok(); }
        directory = directory_of(directory);
    }
}

Result<void> Tree::write(const std::string& path, std::string_view bytes, Durable durable) const {
    static std::atomic<unsigned> counter = 0;
    const std::string parent = directory_of(path);
    const std::string known = durable == Durable::Yes ? nearest_directory(parent) : "";
    TRY_LET(directory, os::ensure_directory_beneath(*root_, parent));
    TRY_LET(aside, os::ensure_directory_beneath(*root_, temporary));
    const std::string name = name_in(path);
    const std::string half = tag_ + "-" + std::to_string(counter++);
    auto written = write_new(aside, half, bytes, durable);
    if (written && ::renameat(aside.raw(), half.c_str(), directory.raw(), name.c_str()) != 0) {
        written = os_error("rename", errno);
    }
    if (!written) {
        ::unlinkat(aside.raw(), half.c_str(), 0);
        return std::move(written).with("write " + path);
    }
    return durable == Durable::Yes ? sync_up(parent, known) : ok();
}

std::optional<Tree::Status> Tree::status(const std::string& path) const {
    const auto file = os::open_beneath(*root_, path, beneath(O_PATH));
    if (!file) { return std::nullopt; }
    struct stat found {};
    if (::fstat(file->raw(), &found) != 0) { return std::nullopt; }
    const auto nanos =
        std::chrono::seconds(found.st_mtim.tv_sec) + nanoseconds(found.st_mtim.tv_nsec);
    return Status{found.st_size, Instant(nanos), S_ISDIR(found.st_mode)};
}

Result<void> Tree::touch(const std::string& path) const {
    TRY_LET(directory, parent_of(path));
    if (::utimensat(directory.raw(), name_in(path).c_str(), nullptr, AT_SYMLINK_NOFOLLOW) != 0) {
        return os_error("touch " + path, errno);
    }
    return ok();
}

Result<Instant> Tree::present() const {
    const std::string probe = std::string(temporary) + "/time-" + tag_;
    TRY(write(probe, "", Durable::No));
    const auto seen = status(probe);
    TRY(remove_file(probe));
    if (!seen) { return Error{Errc::NotFound, path_ + ": a new file has disappeared"}; }
    return seen->changed;
}

Result<std::vector<os::Entry>> Tree::list(const std::string& path) const {
    const auto directory = os::open_beneath(*root_, path, beneath(O_RDONLY | O_DIRECTORY));
    if (!directory) {
        if (directory.error().code == Errc::NotFound) { return std::vector<os::Entry>(); }
        return directory.error();
    }
    return os::list_directory(*directory).with(path);
}

Result<void> Tree::ensure_directory(const std::string& path) const {
    TRY_LET(made, os::ensure_directory_beneath(*root_, path));
    (void)made;
    return ok();
}

Result<void> Tree::rename(const std::string& from, const std::string& to) const {
    const std::string known = nearest_directory(directory_of(to));
    TRY_LET(source, parent_of(from));
    TRY_LET(target, os::ensure_directory_beneath(*root_, directory_of(to)));
    if (::renameat(source.raw(), name_in(from).c_str(), target.raw(), name_in(to).c_str()) != 0) {
        return os_error("rename " + from + " to " + to, errno);
    }
    return sync_up(directory_of(to), known);
}

Result<void> Tree::remove_file(const std::string& path) const {
    const auto directory = parent_of(path);
    if (!directory) {
        if (directory.error().code == Errc::NotFound) { return ok(); }
        return directory.error();
    }
    if (::unlinkat(directory->raw(), name_in(path).c_str(), 0) != 0 && errno != ENOENT) {
        return os_error("remove " + path, errno);
    }
    return ok();
}

Result<void> Tree::remove_tree(const std::string& path) const {
    const auto directory = parent_of(path);
    if (!directory) {
        if (directory.error().code == Errc::NotFound) { return ok(); }
        return directory.error();
    }
    return os::remove_tree_at(*directory, name_in(path));
}

void Tree::remove_empty(std::string path, const std::string& stop) const {
    while (path.size() > stop.size() && path.starts_with(stop)) {
        const auto directory = parent_of(path);
        if (!directory) { return; }
        if (::unlinkat(directory->raw(), name_in(path).c_str(), AT_REMOVEDIR) != 0) { return; }
        path = directory_of(path);
    }
}

Result<void> Tree::sync_directory(const std::string& path) const {
    const std::string_view named = path.empty() ? "." : std::string_view(path);
    TRY_LET(directory, os::open_beneath(*root_, named, beneath(O_RDONLY | O_DIRECTORY)));
    if (::fsync(directory.raw()) != 0) { return os_error("sync " + path, errno); }
    return ok();
}

} // namespace shoal::registry
