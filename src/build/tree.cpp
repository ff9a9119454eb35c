#include "build/tree.h"

#include "archive/path_in_root.h"
#include "archive/xattrs.h"
#include "base/text.h"
#include "blob/hash.h"
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace shoal::build {
namespace {

constexpr std::size_t read_bytes = 256 * 1024;
constexpr std::size_t depth_max = 128; ///< of directories: recursion on a pool thread's stack

std::int64_t nanos(const struct statx_timestamp& time) {
    return time.tv_sec * 1'000'000'000ll + time.tv_nsec;
}

Result<std::string> hash_file(const os::Fd& file) {
    blob::Hasher hasher;
    std::vector<char> buffer(read_bytes);
    off_t at = 0;
    while (true) {
        const ssize_t got = ::pread(file.raw(), buffer.data(), buffer.size(), at);
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) { return os_error("read", errno); }
        if (got == 0) { return hasher.finish().hex(); }
        hasher.update({buffer.data(), static_cast<std::size_t>(got)});
        at += got;
    }
}

bool has_wildcard(std::string_view text) {
    return text.find_first_of("*?[\\") != std::string_view::npos;
}

/// One digest over everything that can be seen of the files, but for their times.
class Digester {
  public:
    explicit Digester(const SelectRequest& request) : request_(request) {}

    /// `shown` is what the copy will be called.
    Result<void> add(const Selected& item) {
        note(item.name);
        note(item.directory ? "d" : "f");
        if (!item.directory) {
            const auto slash = item.path.rfind('/');
            const std::string parent = slash == std::string::npos ? "" : item.path.substr(0, slash);
            TRY_LET(directory, open_directory(parent));
            return add_entry(directory,
                             item.path.substr(slash == std::string::npos ? 0 : slash + 1),
                             item.path, "");
        }
        TRY_LET(directory, open_directory(item.path));
        if (request_.parents) { TRY(note_directory(directory, "")); }
        return add_content(directory, item.path, "", 0);
    }
    oci::Digest finish() { return hasher_.finish(); }

  private:
    Result<os::Fd> open_directory(const std::string& path) const {
        os::OpenBeneath how;
        how.flags = O_RDONLY | O_DIRECTORY;
        how.no_links = true;
        return os::open_beneath(*request_.root, path.empty() ? "." : path, how);
    }
    void note(std::string_view text) {
        hasher_.update(std::to_string(text.size()) + ":");
        hasher_.update(text);
    }
    void note_status(const struct stat& status) {
        note(std::to_string(status.st_mode));
        if (request_.owners) {
            note(std::to_string(status.st_uid) + ":" + std::to_string(status.st_gid));
        }
    }
    void note_xattrs(const archive::Xattrs& xattrs) {
        for (const auto& [name, value] : xattrs) {
            if (archive::is_overlay_xattr(name) || name == "security.selinux") { continue; }
            note(name);
            note(value);
        }
    }
    Result<void> note_directory(const os::Fd& directory, const std::string& shown) {
        struct stat status {};
        if (::fstat(directory.raw(), &status) != 0) { return os_error("stat " + shown, errno); }
        note(shown);
        note_status(status);
        TRY_LET(xattrs, archive::read_xattrs(directory));
        note_xattrs(xattrs);
        return ok();
    }
    bool excluded(const std::string& shown) const {
        return request_.exclude != nullptr && request_.exclude->matches(shown);
    }

    Result<void> add_content(const os::Fd& directory, const std::string& path,
                             const std::string& shown, std::size_t depth) {
        if (depth > depth_max) {
            return Error{Errc::Exhausted, path + ": directories nested too deeply"};
        }
        if (request_.cancelled != nullptr && *request_.cancelled) {
            return Error{Errc::Cancelled, "cancelled"};
        }
        TRY_LET(list, os::list_directory(directory));
        for (const auto& entry : list) {
            const std::string name = join_path(shown, entry.name);
            const std::string below = join_path(path, entry.name);
            const bool out = excluded(name);
            if (entry.type == DT_DIR) {
                if (out && !request_.exclude->may_reenter(name)) { continue; }
                TRY_LET(child, os::open_file_at(directory, entry.name,
                                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
                if (!out) { TRY(note_directory(child, name)); }
                TRY(add_content(child, below, name, depth + 1));
            } else if (!out) {
                TRY(add_entry(directory, entry.name, below, name));
            }
        }
        return ok();
    }

    Result<void> add_entry(const os::Fd& directory, const std::string& name,
                           const std::string& path, const std::string& shown) {
        struct stat status {};
        if (::fstatat(directory.raw(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return os_error("stat " + path, errno);
        }
        note(shown);
        note_status(status);
        TRY_LET(xattrs, archive::read_xattrs_at(directory, name));
        note_xattrs(xattrs);
        if (S_ISREG(status.st_mode)) {
            TRY_LET(file, os::open_file_at(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
            auto digest =
                request_.cache != nullptr ? request_.cache->digest_of(file) : hash_file(file);
            if (!digest) { return std::move(digest).error().with(path); }
            note(*digest);
        } else if (S_ISLNK(status.st_mode)) {
            std::string target(4096, '\0');
            const ssize_t length =
                ::readlinkat(directory.raw(), name.c_str(), target.data(), target.size());
            if (length < 0) { return os_error("readlink " + path, errno); }
            target.resize(static_cast<std::size_t>(length));
            note(target);
        } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
            note(std::to_string(status.st_rdev));
        }
        return ok();
    }

    const SelectRequest& request_;
    blob::Hasher hasher_;
};

class Selector {
  public:
    explicit Selector(const SelectRequest& request) : request_(request) {}

    Result<std::vector<Selected>> select() {
        for (const auto& source : request_.sources) { TRY(add_source(source)); }
        if (items_.empty()) { return invalid("no source files were specified"); }
        return std::move(items_);
    }

  private:
    Result<void> add_source(const std::string& source) {
        // "--parents a/./b/c" keeps "b/c": what comes before the mark is where it is looked for.
        std::string pivot;
        std::string pattern = source;
        if (request_.parents) {
            const auto mark = ("/" + source).find("/./");
            if (mark != std::string::npos && mark > 0) {
                pivot = clean_relative(source.substr(0, mark - 1));
                pattern = source.substr(mark + 2);
            }
        }
        const std::string clean = clean_relative(pattern);
        if (!has_wildcard(clean)) { return add_path(join_path(pivot, clean), clean, source); }
        return expand(pivot, clean, split(clean, '/'), 0, "");
    }

    /// `shown` is the path below the pivot, which a copy with its parents keeps.
    Result<void> expand(const std::string& pivot, const std::string& pattern,
                        const std::vector<std::string>& parts, std::size_t index,
                        const std::string& at) {
        const bool last = index + 1 == parts.size();
        const std::string& part = parts[index];
        if (!has_wildcard(part)) {
            const std::string next = join_path(at, part);
            if (last) {
                auto found = exists(join_path(pivot, next));
                if (!found) { return ok(); }
                return add_path(join_path(pivot, next), next, next);
            }
            return expand(pivot, pattern, parts, index + 1, next);
        }
        auto directory =
            archive::open_in_root(*request_.root, join_path(pivot, at), archive::Follow::All);
        if (!directory) { return ok(); }
        auto readable = archive::reopen(*directory, O_RDONLY | O_DIRECTORY);
        if (!readable) { return ok(); } // no directory
        TRY_LET(list, os::list_directory(*readable));
        if (request_.parents && part == "**" && !last) {
            TRY(expand(pivot, pattern, parts, index + 1, at));
            for (const auto& entry : list) {
                if (entry.type != DT_DIR) { continue; }
                TRY(expand(pivot, pattern, parts, index, join_path(at, entry.name)));
            }
            return ok();
        }
        for (const auto& entry : list) {
            TRY_LET(matches, dockerfile::match_path(part, entry.name).with(pattern));
            if (!matches) { continue; }
            const std::string next = join_path(at, entry.name);
            if (last) {
                TRY(add_path(join_path(pivot, next), next, next));
            } else {
                TRY(expand(pivot, pattern, parts, index + 1, next));
            }
        }
        return ok();
    }

    bool exists(const std::string& path) const {
        return archive::open_in_root(*request_.root, path, archive::Follow::NotLast).has_value();
    }

    Result<void> add_path(const std::string& path, const std::string& shown,
                          const std::string& written) {
        const auto follow = request_.follow_last ? archive::Follow::All : archive::Follow::NotLast;
        auto found = archive::open_in_root(*request_.root, path, follow);
        if (!found && found.error().code == Errc::NotFound) {
            return Error{Errc::NotFound, "stat " + written + ": file does not exist", ENOENT};
        }
        if (!found) { return std::move(found).error().with(written); }
        struct stat status {};
        if (::fstat(found->raw(), &status) != 0) { return os_error("stat " + written, errno); }
        TRY_LET(real, real_path(path));
        Selected item;
        item.path = real;
        item.directory = S_ISDIR(status.st_mode);
        item.name = request_.parents ? shown : shown.substr(shown.rfind('/') + 1);
        const auto base = shown.substr(shown.rfind('/') + 1);
        if (request_.exclude != nullptr && !item.directory && !base.empty() &&
            (request_.exclude->matches(shown) || request_.exclude->matches(base))) {
            return ok();
        }
        items_.push_back(std::move(item));
        return ok();
    }

    Result<std::string> real_path(const std::string& path) const {
        if (request_.follow_last) {
            TRY_LET(real, archive::resolve_in_root(*request_.root, path));
            return clean_relative(real);
        }
        const auto slash = path.rfind('/');
        if (slash == std::string::npos) { return path; }
        TRY_LET(parent, archive::resolve_in_root(*request_.root, path.substr(0, slash)));
        return join_path(clean_relative(parent), path.substr(slash + 1));
    }

    const SelectRequest& request_;
    std::vector<Selected> items_;
};

Result<void> remove_ignored_in(const os::Fd& directory, const std::string& at,
                               const dockerfile::PatternList& ignored, std::size_t depth) {
    if (depth > depth_max) {
        return Error{Errc::Exhausted, at + ": directories nested too deeply"};
    }
    TRY_LET(list, os::list_directory(directory));
    for (const auto& entry : list) {
        const std::string path = join_path(at, entry.name);
        const bool out = ignored.matches(path);
        if (entry.type == DT_DIR && (!out || ignored.may_reenter(path))) {
            TRY_LET(child,
                    os::open_file_at(directory, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
            TRY(remove_ignored_in(child, path, ignored, depth + 1));
            // Empty now, and excluded itself: nothing in it came back.
            if (out) { (void)::unlinkat(directory.raw(), entry.name.c_str(), AT_REMOVEDIR); }
        } else if (out) {
            TRY(os::remove_tree_at(directory, entry.name));
        }
    }
    return ok();
}

} // namespace

Result<std::string> HashCache::digest_of(const os::Fd& file) {
    struct statx status {};
    if (::statx(file.raw(), "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status) != 0) {
        return os_error("statx", errno);
    }
    // Our trees are written by renames: an inode keeps its content. The time of its birth tells it
    // from a later one of the same number; the time of change would move with every link to it.
    const bool birth = (status.stx_mask & STATX_BTIME) != 0;
    const Key key{makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino,
                  static_cast<std::int64_t>(status.stx_size),
                  nanos(birth ? status.stx_btime : status.stx_ctime), nanos(status.stx_mtime)};
    {
        const std::lock_guard guard(mutex_);
        const auto known = digests_.find(key);
        if (known != digests_.end()) { return known->second; }
    }
    TRY_LET(digest, hash_file(file));
    const std::lock_guard guard(mutex_);
    if (digests_.size() >= entries_max) { digests_.clear(); }
    digests_[key] = digest;
    return digest;
}

std::string join_path(std::string_view directory, std::string_view name) {
    return directory.empty() ? std::string(name) : std::string(directory) + "/" + std::string(name);
}

std::string clean_relative(std::string_view path) {
    std::vector<std::string> kept;
    for (auto& part : split(path, '/')) {
        if (part.empty() || part == ".") { continue; }
        if (part != "..") {
            kept.push_back(std::move(part));
        } else if (!kept.empty()) {
            kept.pop_back();
        }
    }
    return join(kept, "/");
}

Result<Selection> select_files(const SelectRequest& request) {
    Selector selector(request);
    TRY_LET(items, selector.select());
    Digester digester(request);
    for (const auto& item : items) { TRY(digester.add(item)); }
    return Selection{std::move(items), digester.finish()};
}

Result<void> remove_ignored(const os::Fd& root, const dockerfile::PatternList& ignored) {
    TRY_LET(readable, os::open_file_at(root, ".", O_RDONLY | O_DIRECTORY));
    return remove_ignored_in(readable, "", ignored, 0);
}

} // namespace shoal::build
