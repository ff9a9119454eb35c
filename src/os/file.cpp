#include "os/file.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <set>

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shoal::os {
namespace {

Result<Fd> open_raw(int directory, const std::string& name, int flags, mode_t mode) {
    int raw = -1;
    do {
        raw = ::openat(directory, name.c_str(), flags | O_CLOEXEC, mode);
    } while (raw < 0 && errno == EINTR);
    if (raw < 0) { return os_error("open " + name, errno); }
    return Fd(raw);
}

std::string parent_of(const std::string& path) {
    const auto slash = path.find_last_of('/');
    if (slash == std::string::npos) { return "."; }
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string base_of(const std::string& path) {
    const auto slash = path.find_last_of('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string random_suffix() {
    std::array<std::uint8_t, 6> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        static std::atomic<std::uint64_t> counter{0};
        return std::to_string(::getpid()) + "-" + std::to_string(++counter);
    }
    return to_hex(bytes);
}

} // namespace

// --- opening ---

Result<Fd> open_file(const std::string& path, int flags, mode_t mode) {
    return open_raw(AT_FDCWD, path, flags, mode);
}
Result<Fd> open_file_at(const Fd& directory, const std::string& name, int flags, mode_t mode) {
    return open_raw(directory.raw(), name, flags, mode);
}
Result<Fd> open_directory(const std::string& path) {
    return open_raw(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
}

namespace {

Error beneath_error(std::string_view path, int code) {
    if (code == EXDEV) {
        return Error{Errc::Forbidden, "open " + std::string(path) + ": path leaves its root", code};
    }
    return os_error("open " + std::string(path), code);
}

/// One step of the walk that stands in for openat2: what is still to do, and where we are.
class Walk {
  public:
    Walk(const Fd& root, std::string_view path, OpenBeneath how) : root_(root), how_(how) {
        push(path);
    }

    Result<Fd> run(std::string_view shown) {
        const bool absolute = !shown.empty() && shown.front() == '/';
        if (absolute && how_.rule == Beneath::NoEscape) { return beneath_error(shown, EXDEV); }
        TRY(enter_root());
        while (!todo_.empty()) {
            const std::string part = std::move(todo_.back());
            todo_.pop_back();
            if (part.empty() || part == ".") { continue; }
            if (part == "..") {
                if (stack_.size() > 1) {
                    stack_.pop_back();
                } else if (how_.rule == Beneath::NoEscape) {
                    return beneath_error(shown, EXDEV);
                }
                continue;
            }
            const bool last =
                std::all_of(todo_.begin(), todo_.end(), [](const auto& s) { return s.empty(); });
            auto opened = last ? open_last(part, shown) : step(part, shown);
            if (!opened) { return std::move(opened).error(); }
            if (*opened) { return std::move(*opened); }
        }
        // The path named the present directory itself.
        return open_raw(stack_.back().raw(), ".", how_.flags, how_.mode);
    }

  private:
    void push(std::string_view path) {
        auto parts = split(path, '/');
        for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
            todo_.push_back(std::move(*part));
        }
    }
    Result<void> enter_root() {
        stack_.clear();
        TRY_LET(top, root_.duplicate());
        stack_.push_back(std::move(top));
        return ok();
    }
    Result<void> follow(const std::string& target, std::string_view shown) {
        if (how_.no_links || ++links_ > 40) { return beneath_error(shown, ELOOP); }
        if (target.starts_with('/')) {
            if (how_.rule == Beneath::NoEscape) { return beneath_error(shown, EXDEV); }
            TRY(enter_root());
        }
        push(target);
        return ok();
    }
    /// The link's target, or nothing when `part` is not a link.
    std::optional<std::string> link_target(const std::string& part) {
        std::array<char, PATH_MAX> target{};
        const auto size =
            ::readlinkat(stack_.back().raw(), part.c_str(), target.data(), target.size());
        if (size < 0) { return std::nullopt; }
        return std::string(target.data(), static_cast<std::size_t>(size));
    }
    Result<Fd> step(const std::string& part, std::string_view shown) {
        const int raw = ::openat(stack_.back().raw(), part.c_str(),
                                 O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (raw >= 0) {
            stack_.emplace_back(raw);
            return Fd();
        }
        const int code = errno;
        if (code != ENOTDIR && code != ELOOP) { return beneath_error(shown, code); }
        auto target = link_target(part);
        if (!target) { return beneath_error(shown, ENOTDIR); }
        TRY(follow(*target, shown));
        return Fd();
    }
    Result<Fd> open_last(const std::string& part, std::string_view shown) {
        const bool keep_link = (how_.flags & O_NOFOLLOW) != 0;
        if (!keep_link) {
            if (auto target = link_target(part)) {
                TRY(follow(*target, shown));
                return Fd();
            }
        }
        const int raw = ::openat(stack_.back().raw(), part.c_str(),
                                 how_.flags | O_NOFOLLOW | O_CLOEXEC, how_.mode);
        if (raw < 0) { return beneath_error(shown, errno); }
        return Fd(raw);
    }

    const Fd& root_;
    OpenBeneath how_;
    std::vector<std::string> todo_; ///< components, the next one last
    std::vector<Fd> stack_;         ///< root, and every directory entered below it
    int links_ = 0;
};

} // namespace

Result<Fd> open_beneath(const Fd& root, std::string_view path, OpenBeneath how) {
    if (path.find('\0') != std::string_view::npos) { return invalid("path with a zero byte"); }
    const std::string text = path.empty() ? "." : std::string(path);
    if (!how.force_walk) {
        struct open_how request {};
        request.flags = static_cast<std::uint64_t>(static_cast<unsigned>(how.flags | O_CLOEXEC));
        request.mode = (how.flags & (O_CREAT | O_TMPFILE)) != 0 ? how.mode : 0;
        request.resolve = how.rule == Beneath::Root ? RESOLVE_IN_ROOT : RESOLVE_BENEATH;
        request.resolve |= RESOLVE_NO_MAGICLINKS;
        if (how.no_links) { request.resolve |= RESOLVE_NO_SYMLINKS; }
        // EAGAIN: something was renamed meanwhile, so that the kernel could not be sure.
        for (int attempt = 0; attempt < 64; ++attempt) {
            const auto raw =
                ::syscall(SYS_openat2, root.raw(), text.c_str(), &request, sizeof request);
            if (raw >= 0) { return Fd(static_cast<int>(raw)); }
            if (errno == ENOSYS || errno == EPERM) { break; }
            if (errno != EAGAIN && errno != EINTR) { return beneath_error(path, errno); }
        }
    }
    return Walk(root, text, how).run(text);
}

Result<std::string> path_of(const Fd& fd) {
    const std::string name = "/proc/self/fd/" + std::to_string(fd.raw());
    std::array<char, PATH_MAX> target{};
    const auto size = ::readlink(name.c_str(), target.data(), target.size());
    if (size < 0) { return os_error("readlink " + name, errno); }
    return std::string(target.data(), static_cast<std::size_t>(size));
}

// --- whole files ---

Result<std::string> read_all(const Fd& fd, std::size_t bytes_max) {
    std::string text;
    struct stat status {};
    if (::fstat(fd.raw(), &status) == 0 && status.st_size > 0) {
        if (static_cast<std::uint64_t>(status.st_size) > bytes_max) {
            return Error{Errc::Exhausted,
                         "file larger than " + std::to_string(bytes_max) + " bytes"};
        }
        text.reserve(static_cast<std::size_t>(status.st_size) + 1);
    }
    std::array<char, 16384> buffer;
    while (true) {
        const auto got = ::read(fd.raw(), buffer.data(), buffer.size());
        if (got == 0) { return text; }
        if (got < 0) {
            if (errno == EINTR) { continue; }
            return os_error("read", errno);
        }
        if (text.size() + static_cast<std::size_t>(got) > bytes_max) {
            return Error{Errc::Exhausted,
                         "file larger than " + std::to_string(bytes_max) + " bytes"};
        }
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
    TRY_LET(fd, open_file(path, O_RDONLY));
    return read_all(fd, bytes_max).with(path);
}

Result<std::string> read_file_at(const Fd& directory, const std::string& name,
                                 std::size_t bytes_max) {
    TRY_LET(fd, open_file_at(directory, name, O_RDONLY));
    return read_all(fd, bytes_max).with(name);
}

Result<void> write_all(const Fd& fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto done = ::write(fd.raw(), bytes.data(), bytes.size());
        if (done < 0) {
            if (errno == EINTR) { continue; }
            return os_error("write", errno);
        }
        bytes.remove_prefix(static_cast<std::size_t>(done));
    }
    return ok();
}

Result<void> write_file_atomic(const std::string& path, std::string_view bytes, WriteFile how) {
    const std::string beside = parent_of(path) + "/." + base_of(path) + "." + random_suffix();
    auto write_it = [&]() -> Result<void> {
        TRY_LET(fd, open_file(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, how.mode));
        if (::fchmod(fd.raw(), how.mode) != 0) { return os_error("chmod " + beside, errno); }
        TRY(write_all(fd, bytes).with(beside));
        if (how.sync == Sync::Yes && ::fdatasync(fd.raw()) != 0) {
            return os_error("sync " + beside, errno);
        }
        return rename_file(beside, path);
    };
    auto written = write_it();
    if (!written) {
        ::unlink(beside.c_str());
        return std::move(written).error().with("write " + path);
    }
    return how.sync == Sync::Yes ? sync_directory(parent_of(path)) : ok();
}

Result<void> write_kernel_file(const std::string& path, std::string_view bytes) {
    TRY_LET(fd, open_file(path, O_WRONLY));
    const auto done = ::write(fd.raw(), bytes.data(), bytes.size());
    if (done != static_cast<ssize_t>(bytes.size())) {
        return os_error("write " + path, done < 0 ? errno : EIO);
    }
    return ok();
}

Result<void> sync_directory(const std::string& path) {
    TRY_LET(fd, open_directory(path));
    if (::fsync(fd.raw()) != 0) { return os_error("sync " + path, errno); }
    return ok();
}

// --- directories ---

bool exists(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

bool is_directory(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

Result<void> ensure_directory(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0) { return ok(); }
    if (errno == EEXIST) {
        if (is_directory(path)) { return ok(); }
        return os_error("create directory " + path, ENOTDIR);
    }
    if (errno != ENOENT) { return os_error("create directory " + path, errno); }
    const std::string parent = parent_of(path);
    if (parent == path || parent == ".") { return os_error("create directory " + path, ENOENT); }
    TRY(ensure_directory(parent, mode));
    if (::mkdir(path.c_str(), mode) == 0 || (errno == EEXIST && is_directory(path))) {
        return ok();
    }
    return os_error("create directory " + path, errno);
}

Result<Fd> ensure_directory_beneath(const Fd& root, std::string_view path, mode_t mode) {
    // Each prefix is resolved anew beneath the root, so that links inside the tree lead where they
    // lead inside it.
    std::string prefix;
    TRY_LET(first, open_beneath(root, ".", {.flags = O_PATH | O_DIRECTORY}));
    Fd here = std::move(first);
    for (const auto& part : split(path, '/')) {
        if (part.empty() || part == ".") { continue; }
        if (part == "..") {
            return invalid("create directory " + std::string(path) + ": \"..\" in the path");
        }
        prefix += "/" + part;
        auto opened = open_beneath(root, prefix, {.flags = O_PATH | O_DIRECTORY});
        if (!opened && opened.error().code == Errc::NotFound) {
            if (::mkdirat(here.raw(), part.c_str(), mode) != 0 && errno != EEXIST) {
                return os_error("create directory " + prefix, errno);
            }
            opened = open_beneath(root, prefix, {.flags = O_PATH | O_DIRECTORY});
        }
        if (!opened) { return std::move(opened).error(); }
        here = std::move(*opened);
    }
    return here;
}

Result<std::vector<Entry>> list_directory(const Fd& directory) {
    const int copy = ::openat(directory.raw(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) { return os_error("list directory", errno); }
    DIR* stream = ::fdopendir(copy);
    if (stream == nullptr) {
        ::close(copy);
        return os_error("list directory", errno);
    }
    std::vector<Entry> entries;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") { entries.push_back({std::string(name), entry->d_type}); }
        errno = 0;
    }
    const int code = errno;
    ::closedir(stream);
    if (code != 0) { return os_error("list directory", code); }
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.name < b.name; });
    return entries;
}

Result<std::vector<Entry>> list_directory(const std::string& path) {
    TRY_LET(directory, open_directory(path));
    return list_directory(directory).with(path);
}

namespace {

/// Takes "immutable" and "append only" away, which forbid even root to unlink.
void clear_flags(int fd) {
    int flags = 0;
    if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) { return; }
    const int cleared = flags & ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
    if (cleared != flags) { (void)::ioctl(fd, FS_IOC_SETFLAGS, &cleared); }
}

void clear_flags_at(int directory, const char* name) {
    const int fd = ::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) { return; }
    clear_flags(fd);
    ::close(fd);
}

/// unlinkat with one further try after clearing flags; 0 or an errno.
int unlink_at(int directory, const char* name, int flags) {
    if (::unlinkat(directory, name, flags) == 0 || errno == ENOENT) { return 0; }
    if (errno != EPERM) { return errno; }
    clear_flags(directory);
    clear_flags_at(directory, name);
    if (::unlinkat(directory, name, flags) == 0 || errno == ENOENT) { return 0; }
    return errno;
}

/// An explicit stack instead of recursion: a hostile tree may be deeper than ours.
class Remover {
  public:
    Result<void> run(int directory, const std::string& name) {
        const int code = unlink_at(directory, name.c_str(), 0);
        if (code == 0) { return ok(); }
        if (code != EISDIR && code != EPERM && code != EBUSY) {
            return os_error("remove " + name, code);
        }
        TRY(enter(directory, name));
        while (!levels_.empty()) { TRY(work()); }
        return ok();
    }

  private:
    struct Level {
        Fd fd;
        std::string name; ///< in the level above
        std::vector<Entry> entries;
    };

    Result<void> enter(int directory, const std::string& name) {
        int raw =
            ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (raw < 0 && errno == ENOENT) { return ok(); }
        if (raw < 0) { return os_error("remove " + name, errno); }
        Level level{Fd(raw), name, {}};
        struct stat status {};
        if (::fstat(raw, &status) != 0) { return os_error("remove " + name, errno); }
        if (!levels_.empty() && status.st_dev != device_) {
            return conflict("remove " + name + ": another file system is mounted there");
        }
        device_ = status.st_dev;
        if (levels_.empty()) { top_ = directory; }
        TRY_LET(entries, list_directory(level.fd));
        level.entries = std::move(entries);
        levels_.push_back(std::move(level));
        return ok();
    }

    Result<void> work() {
        Level& level = levels_.back();
        while (!level.entries.empty()) {
            const Entry entry = std::move(level.entries.back());
            level.entries.pop_back();
            const int code =
                entry.type == DT_DIR ? EISDIR : unlink_at(level.fd.raw(), entry.name.c_str(), 0);
            if (code == 0) { continue; }
            if (code != EISDIR) { return os_error("remove " + entry.name, code); }
            if (levels_.size() >= depth_max) { return flatten(level, entry.name); }
            return enter(level.fd.raw(), entry.name);
        }
        const std::string name = level.name;
        levels_.pop_back();
        const int parent = levels_.empty() ? top_ : levels_.back().fd.raw();
        const int code = unlink_at(parent, name.c_str(), AT_REMOVEDIR);
        // Something appeared meanwhile: look again, but not for ever.
        if (code == ENOTEMPTY && ++again_ < 16) { return enter(parent, name); }
        if (code != 0) { return os_error("remove " + name, code); }
        return ok();
    }

    /// Too many open levels: move the deep directory up beside the first level and remove it as one
    /// of its entries.
    Result<void> flatten(Level& level, const std::string& name) {
        const std::string moved = ".shoal-deep-" + random_suffix();
        if (::renameat(level.fd.raw(), name.c_str(), levels_.front().fd.raw(), moved.c_str()) !=
            0) {
            return os_error("remove " + name, errno);
        }
        levels_.front().entries.push_back({moved, DT_DIR});
        return ok();
    }

    static constexpr std::size_t depth_max = 256;
    std::vector<Level> levels_;
    dev_t device_ = 0;
    int top_ = -1;
    int again_ = 0;
};

} // namespace

Result<void> remove_tree_at(const Fd& directory, const std::string& name) {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
        return invalid("remove: \"" + name + "\" is not the name of an entry");
    }
    return Remover().run(directory.raw(), name);
}

Result<void> remove_tree(const std::string& path) {
    std::string plain = path;
    while (plain.size() > 1 && plain.back() == '/') { plain.pop_back(); }
    auto parent = open_directory(parent_of(plain));
    if (!parent) {
        if (parent.error().code == Errc::NotFound) { return ok(); }
        return std::move(parent).error();
    }
    return remove_tree_at(*parent, base_of(plain)).with(path);
}

Result<void> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) { return ok(); }
    return os_error("remove " + path, errno);
}

Result<void> rename_file(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) == 0) { return ok(); }
    return os_error("rename " + from + " to " + to, errno);
}

Result<TreeSize> measure_tree(const std::string& path) {
    TRY_LET(top, open_directory(path));
    struct stat status {};
    if (::fstat(top.raw(), &status) != 0) { return os_error("stat " + path, errno); }
    const dev_t device = status.st_dev;
    TreeSize size;
    std::set<ino_t> linked;
    std::vector<Fd> stack;
    // Open descriptors grow with the number of directories waiting; each is opened when its turn
    // comes.
    std::vector<std::string> waiting{"."};
    while (!waiting.empty()) {
        const std::string name = std::move(waiting.back());
        waiting.pop_back();
        auto directory = open_beneath(top, name,
                                      {.rule = Beneath::NoEscape,
                                       .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                                       .no_links = true});
        if (!directory) { continue; } // it went away meanwhile
        auto entries = list_directory(*directory);
        if (!entries) { continue; }
        for (const auto& entry : *entries) {
            if (::fstatat(directory->raw(), entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) !=
                0) {
                continue;
            }
            if (status.st_dev != device) { continue; }
            ++size.entries;
            if (S_ISDIR(status.st_mode)) { waiting.push_back(name + "/" + entry.name); }
            if (status.st_nlink > 1 && !S_ISDIR(status.st_mode) &&
                !linked.insert(status.st_ino).second) {
                continue;
            }
            if (!S_ISDIR(status.st_mode)) { size.bytes += status.st_size; }
            size.disk_bytes += static_cast<std::int64_t>(status.st_blocks) * 512;
        }
    }
    return size;
}

// --- temporary ---

Result<TempDir> TempDir::create(const std::string& parent, std::string_view prefix) {
    for (int attempt = 0; attempt < 16; ++attempt) {
        TempDir made;
        made.path_ = parent + "/" + std::string(prefix) + random_suffix();
        if (::mkdir(made.path_.c_str(), 0700) == 0) { return made; }
        const int code = errno;
        const std::string path = made.keep();
        if (code != EEXIST) { return os_error("create directory " + path, code); }
    }
    return internal("create directory in " + parent + ": no free name");
}

TempDir& TempDir::operator=(TempDir&& other) noexcept {
    if (this != &other) {
        if (!path_.empty()) { (void)remove_tree(path_); }
        path_ = std::exchange(other.path_, {});
    }
    return *this;
}

TempDir::~TempDir() {
    if (!path_.empty()) { (void)remove_tree(path_); }
}

// --- file systems ---

namespace {
std::string file_system_name(std::uint32_t type) {
    static constexpr std::array<std::pair<std::uint32_t, const char*>, 16> names{
        {{0xef53, "extfs"},
         {0x58465342, "xfs"},
         {0x9123683e, "btrfs"},
         {0x01021994, "tmpfs"},
         {0x794c7630, "overlayfs"},
         {0x6969, "nfs"},
         {0x2fc12fc1, "zfs"},
         {0x858458f6, "ramfs"},
         {0xf2f52010, "f2fs"},
         {0x65735546, "fuse"},
         {0xff534d42, "cifs"},
         {0x61756673, "aufs"},
         {0x52654973, "reiserfs"},
         {0x3153464a, "jfs"},
         {0x1161970, "gfs"},
         {0x4244, "hfs"}}};
    for (const auto& [number, name] : names) {
        if (number == type) { return name; }
    }
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "0x%x", type);
    return text.data();
}
} // namespace

Result<FileSystem> stat_file_system(const std::string& path) {
    struct statfs status {};
    if (::statfs(path.c_str(), &status) != 0) { return os_error("statfs " + path, errno); }
    FileSystem found;
    found.type = static_cast<std::uint32_t>(status.f_type);
    found.name = file_system_name(found.type);
    found.bytes = static_cast<std::int64_t>(status.f_blocks) * status.f_bsize;
    found.free_bytes = static_cast<std::int64_t>(status.f_bavail) * status.f_bsize;
    found.files = static_cast<std::int64_t>(status.f_files);
    found.free_files = static_cast<std::int64_t>(status.f_ffree);
    found.read_only = (status.f_flags & ST_RDONLY) != 0;
    return found;
}

} // namespace shoal::os
