#include "archive/path_in_root.h"

#include "archive/name.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "os/file.h"

#include <deque>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace shoal::archive {

namespace {

constexpr int symlinks_max = 40; ///< as the kernel's MAXSYMLINKS

/// What the path itself is to blame for is the caller's mistake.
Error classified(Error error) {
    switch (error.os_errno) {
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
        error.code = Errc::Invalid;
        break;
    default:
        break;
    }
    return error;
}

Error path_error(std::string_view path, int number) {
    return classified(os_error(std::string(path), number));
}

Result<std::string> read_link(const os::Fd& link) {
    std::string target(4096, '\0');
    const ssize_t length = ::readlinkat(link.raw(), "", target.data(), target.size());
    if (length < 0) { return os_error("readlink", errno); }
    target.resize(static_cast<std::size_t>(length));
    return target;
}

} // namespace

Result<os::Fd> open_in_root(const os::Fd& root, std::string_view path, Follow follow, Walk walk) {
    if (path.find('\0') != std::string_view::npos) { return invalid("path with a zero byte"); }
    os::OpenBeneath how;
    how.flags = O_PATH | (follow == Follow::NotLast ? O_NOFOLLOW : 0);
    how.force_walk = walk == Walk::Steps;
    std::string text = path.empty() ? "." : std::string(path);
    if (text.ends_with('/')) {
        text += '.';
    } // demands a directory, and follows a link, in both walks
    auto found = os::open_beneath(root, text, how);
    if (!found) { return classified(std::move(found).error()); }
    return std::move(*found);
}

Result<os::Fd> reopen(const os::Fd& path_fd, int flags) {
    const std::string link = "/proc/self/fd/" + std::to_string(path_fd.raw());
    os::Fd opened(::open(link.c_str(), (flags & ~(O_CREAT | O_NOFOLLOW)) | O_CLOEXEC));
    if (!opened) { return os_error("open", errno); }
    return opened;
}

Result<std::string> read_in_root(const os::Fd& root, std::string_view path, std::size_t bytes_max) {
    TRY_LET(found, open_in_root(root, path, Follow::All));
    struct stat status {};
    if (::fstat(found.raw(), &status) != 0) { return path_error(path, errno); }
    if (!S_ISREG(status.st_mode)) { return invalid(std::string(path) + ": not a regular file"); }
    TRY_LET(file, reopen(found, O_RDONLY | O_NONBLOCK));
    return os::read_all(file, bytes_max).with(path);
}

Result<std::string> resolve_in_root(const os::Fd& root, std::string_view path) {
    // In steps by text, asking the kernel only whether each prefix is a link: the answer is a name,
    // so a race can make it stale but not dangerous.
    std::vector<std::string> done;
    std::deque<std::string> left;
    for (auto& part : split(path, '/')) { left.push_back(std::move(part)); }
    int links = 0;
    while (!left.empty()) {
        std::string part = std::move(left.front());
        left.pop_front();
        if (part.empty() || part == ".") { continue; }
        if (part == "..") {
            if (!done.empty()) { done.pop_back(); }
            continue;
        }
        done.push_back(std::move(part));
        auto found = open_in_root(root, join(done, "/"), Follow::NotLast);
        if (!found) { return std::move(found).error(); }
        struct stat status {};
        if (::fstat(found->raw(), &status) != 0) { return path_error(path, errno); }
        if (!S_ISLNK(status.st_mode)) { continue; }
        if (++links > symlinks_max) { return path_error(path, ELOOP); }
        TRY_LET(target, read_link(*found));
        if (target.starts_with('/')) {
            done.clear();
        } else {
            done.pop_back();
        }
        auto parts = split(target, '/');
        left.insert(left.begin(), parts.begin(), parts.end());
    }
    return "/" + join(done, "/");
}

ArchivePath parse_archive_path(std::string_view requested) {
    ArchivePath path;
    path.full = clean_absolute(requested);
    const bool dot = requested == "." || requested.ends_with("/.");
    const bool slash = requested.ends_with('/');
    if (path.full != "/") {
        const auto [parent, base] = split_name(std::string_view(path.full));
        path.name = std::string(base);
        if (!dot && !slash) {
            path.directory = parent.empty() ? "/" : std::string(parent);
            path.last = path.name;
            return path;
        }
    } else {
        path.name = "/";
    }
    path.directory = path.full;
    if (dot) {
        path.last = path.name = ".";
        path.full += path.full == "/" ? "." : "/.";
    } else if (slash && path.full != "/") {
        path.full += '/';
    }
    return path;
}

Result<PathStat> stat_for_archive(const os::Fd& root, std::string_view requested) {
    const ArchivePath path = parse_archive_path(requested);
    const bool follow = path.last.empty() || path.last == ".";
    TRY_LET(found, open_in_root(root, path.full, follow ? Follow::All : Follow::NotLast));
    struct stat status {};
    if (::fstat(found.raw(), &status) != 0) { return path_error(path.full, errno); }
    PathStat result;
    result.name = path.name;
    result.size = status.st_size;
    result.mode = go_file_mode(status.st_mode);
    result.mtime =
        from_unix_nanos(status.st_mtim.tv_sec * 1'000'000'000ll + status.st_mtim.tv_nsec);
    if (S_ISLNK(status.st_mode)) {
        auto target = resolve_in_root(root, path.full);
        if (target) {
            result.link_target = std::move(*target);
        } else {
            TRY_LET(text, read_link(found));
            result.link_target = text.starts_with('/')
                                     ? clean_absolute(text)
                                     : clean_absolute(path.directory + "/" + text);
        }
    }
    return result;
}

std::string path_stat_header(const PathStat& stat) {
    Json json;
    json["name"] = stat.name;
    json["size"] = stat.size;
    json["mode"] = stat.mode;
    json["mtime"] = format_rfc3339(stat.mtime);
    json["linkTarget"] = stat.link_target;
    return base64(dump_json(json));
}

Result<PathStat> parse_path_stat_header(std::string_view header) {
    TRY_LET(text, decode_base64(header).with("container path stat"));
    TRY_LET(json, parse_json(text).with("container path stat"));
    PathStat stat;
    if (!json.is_object()) { return invalid("container path stat: expected an object"); }
    const auto text_member = [&](const char* name) {
        return json.contains(name) && json[name].is_string() ? json[name].get<std::string>()
                                                             : std::string();
    };
    stat.name = text_member("name");
    stat.link_target = text_member("linkTarget");
    if (json.contains("size") && json["size"].is_number_integer()) {
        stat.size = json["size"].get<std::int64_t>();
    }
    if (json.contains("mode") && json["mode"].is_number_integer()) {
        stat.mode = json["mode"].get<std::uint32_t>();
    }
    if (const std::string at = text_member("mtime"); !at.empty()) {
        TRY_LET(mtime, parse_rfc3339(at).with("container path stat"));
        stat.mtime = mtime;
    }
    return stat;
}

} // namespace shoal::archive
