#include "buildkit/tree_writer.h"

#include "os/file.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace shoal::buildkit {

namespace {

constexpr int attempts_max = 16;

struct SplitPath {
    std::string parent;
    std::string name;
};
SplitPath split_path(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) { return {"", path}; }
    return {path.substr(0, slash), path.substr(slash + 1)};
}

timespec time_of(std::int64_t nanos) {
    std::int64_t seconds = nanos / 1'000'000'000;
    std::int64_t rest = nanos % 1'000'000'000;
    if (rest < 0) {
        rest += 1'000'000'000;
        --seconds;
    }
    return {static_cast<time_t>(seconds), static_cast<long>(rest)};
}
std::int64_t nanos_of(const timespec& at) { return at.tv_sec * 1'000'000'000 + at.tv_nsec; }

Result<void> set_times_at(const os::Fd& directory, const std::string& name, std::int64_t nanos) {
    const timespec times[2] = {time_of(nanos), time_of(nanos)};
    if (::utimensat(directory.raw(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
        return os_error("set the time of " + name, errno);
    }
    return ok();
}

Result<std::string> read_link_at(const os::Fd& directory, const std::string& name) {
    std::string target(4096, '\0');
    const auto size = ::readlinkat(directory.raw(), name.c_str(), target.data(), target.size());
    if (size < 0) { return os_error("read link " + name, errno); }
    target.resize(static_cast<std::size_t>(size));
    return target;
}

} // namespace

bool is_portable_xattr(const std::string& name) {
    return name.starts_with("user.") || name == "security.capability";
}

Result<std::unique_ptr<TreeWriter>> TreeWriter::open(const std::string& directory,
                                                     Existing existing, TreeLimits limits) {
    TRY_LET(root, os::open_directory(directory));
    TRY_LET(top, root.duplicate());
    auto writer = std::unique_ptr<TreeWriter>(new TreeWriter(std::move(root), existing, limits));
    TRY_LET(level, writer->open_level(top, ".", ""));
    writer->levels_.push_back(std::move(level));
    return writer;
}

TreeWriter::~TreeWriter() {
    for (const auto& [id, incoming] : asked_) {
        if (incoming.temporary.empty()) { continue; }
        (void)::unlinkat(incoming.directory.raw(), incoming.temporary.c_str(), 0);
    }
}

std::string TreeWriter::temporary_name() const {
    return ".shoal-" + std::to_string(::getpid()) + "-" + std::to_string(++temporaries_) + ".part";
}

Result<TreeWriter::Level> TreeWriter::open_level(const os::Fd& parent, const std::string& name,
                                                 std::string path) const {
    TRY_LET(fd, os::open_file_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    Level level{std::move(path), std::move(fd), {}, 0, ""};
    if (existing_ == Existing::Merge) { return level; }
    TRY_LET(entries, os::list_directory(level.fd));
    for (auto& entry : entries) { level.existing.push_back(std::move(entry.name)); }
    return level;
}

// --- the list ---

Result<void> TreeWriter::check_path(const std::string& path) const {
    if (path.empty() || path.size() > limits_.path_bytes_max) {
        return invalid("a path of " + std::to_string(path.size()) + " bytes");
    }
    if (path.find('\0') != std::string::npos) { return invalid("a path with a zero byte"); }
    std::size_t depth = 0;
    for (std::size_t begin = 0; begin <= path.size();) {
        const auto end = std::min(path.find('/', begin), path.size());
        const std::string_view name(path.data() + begin, end - begin);
        if (name.empty() || name == "." || name == "..") { return invalid("path is not clean"); }
        if (name.size() > limits_.name_bytes_max) { return invalid("a name is too long"); }
        if (++depth > limits_.depth_max) {
            return Error{Errc::Exhausted, "deeper than " + std::to_string(limits_.depth_max)};
        }
        begin = end + 1;
    }
    return ok();
}

/// Deletes what the old directory has before `name` and the list has not ("" for all that is left).
Result<void> TreeWriter::remove_until(Level& level, const std::string& name) {
    for (; level.next < level.existing.size(); ++level.next) {
        const std::string& old = level.existing[level.next];
        if (!name.empty() && old >= name) { break; }
        TRY(os::remove_tree_at(level.fd, old));
    }
    if (level.next < level.existing.size() && level.existing[level.next] == name) { ++level.next; }
    return ok();
}

Result<void> TreeWriter::leave_level() {
    TRY(remove_until(levels_.back(), ""));
    levels_.pop_back();
    return ok();
}

Result<void> TreeWriter::enter_parent(const std::string& parent, const std::string& path) {
    const auto contains = [&parent](const std::string& level) {
        return level.empty() || parent == level || parent.starts_with(level + "/");
    };
    while (!contains(levels_.back().path)) { TRY(leave_level()); }
    if (levels_.back().path != parent) {
        return invalid(path + ": its directory was not listed before it");
    }
    return ok();
}

Result<TreeWriter::Place> TreeWriter::find_place(const TreeEntry& entry) {
    TRY(check_path(entry.path));
    const auto [parent, name] = split_path(entry.path);
    TRY(enter_parent(parent, entry.path));
    Level& level = levels_.back();
    if (level.last >= name) { return invalid(entry.path + ": the list is out of order"); }
    TRY(remove_until(level, name));
    level.last = name;
    Place place{level, name};
    place.exists = ::fstatat(level.fd.raw(), name.c_str(), &place.status, AT_SYMLINK_NOFOLLOW) == 0;
    if (!place.exists && errno != ENOENT) { return os_error("stat " + entry.path, errno); }
    return place;
}

/// What is listed is remembered until its content has come: that has its bounds.
Result<void> TreeWriter::count(const TreeEntry& entry) {
    const auto exhausted = [](std::uint64_t limit, const char* of) {
        return Error{Errc::Exhausted, "more than " + std::to_string(limit) + " " + of};
    };
    if (++entries_ > limits_.entries_max) { return exhausted(limits_.entries_max, "entries"); }
    if (entry.size < 0) { return invalid(entry.path + ": a negative size"); }
    if (entry.is_file()) { listed_bytes_ += static_cast<std::uint64_t>(entry.size); }
    if (listed_bytes_ > limits_.bytes_max) { return exhausted(limits_.bytes_max, "bytes"); }
    names_bytes_ += entry.path.size() + entry.link.size();
    for (const auto& [name, value] : entry.xattrs) { names_bytes_ += name.size() + value.size(); }
    if (names_bytes_ > limits_.names_bytes_max) {
        return exhausted(limits_.names_bytes_max, "bytes of names");
    }
    return ok();
}

Result<void> TreeWriter::list(TreeEntry entry) {
    if (list_ended_) { return invalid("an entry after the end of the list"); }
    std::erase_if(entry.xattrs, [](const auto& one) { return !is_portable_xattr(one.first); });
    TRY(count(entry));
    TRY_LET(place, find_place(entry));
    const std::string path = entry.path;
    return put(place, std::move(entry)).with(path);
}

Result<void> TreeWriter::end_list() {
    if (list_ended_) { return invalid("the list has ended twice"); }
    list_ended_ = true;
    while (!levels_.empty()) { TRY(leave_level()); }
    return ok();
}

Result<void> TreeWriter::put(Place& place, TreeEntry entry) {
    if (entry.is_directory()) { return put_directory(place, entry); }
    if (entry.is_link()) { return put_symlink(place, entry); }
    if (S_ISFIFO(entry.mode)) { return put_fifo(place, entry); }
    if (S_ISSOCK(entry.mode)) { return make_room(place, false); } // nobody listens on a copy
    if (!entry.is_file()) { return invalid("devices are not taken"); }
    if (!entry.link.empty()) {
        hard_links_.push_back(std::move(entry)); // when the first name has its content
        return ok();
    }
    put_file(place, std::move(entry));
    return ok();
}

/// Removes what cannot be replaced by a rename, or what must not stay when nothing comes.
Result<void> TreeWriter::make_room(const Place& place, bool directory) const {
    if (!place.exists) { return ok(); }
    if (directory && S_ISDIR(place.status.st_mode)) { return ok(); }
    return os::remove_tree_at(place.level.fd, place.name);
}

Result<void> TreeWriter::put_directory(Place& place, const TreeEntry& entry) {
    TRY(make_room(place, true));
    const bool there = place.exists && S_ISDIR(place.status.st_mode);
    if (!there && ::mkdirat(place.level.fd.raw(), place.name.c_str(), 0700) != 0) {
        return os_error("make directory", errno);
    }
    TRY_LET(level, open_level(place.level.fd, place.name, entry.path));
    if (!there || (place.status.st_mode & 07777) != (entry.mode & 07777)) {
        if (::fchmod(level.fd.raw(), entry.mode & 07777) != 0) {
            return os_error("set the mode", errno);
        }
    }
    directory_times_.emplace_back(entry.path, entry.mtime_nanos);
    levels_.push_back(std::move(level)); // `place` is of no use from here on
    return ok();
}

bool TreeWriter::is_same(const Place& place, const TreeEntry& entry) const {
    return existing_ == Existing::Mirror && place.exists && place.status.st_mode == entry.mode &&
           place.status.st_size == entry.size &&
           nanos_of(place.status.st_mtim) == entry.mtime_nanos;
}

Result<void> TreeWriter::put_symlink(Place& place, const TreeEntry& entry) {
    if (entry.link.empty() || entry.link.size() > limits_.path_bytes_max ||
        entry.link.find('\0') != std::string::npos) {
        return invalid("an impossible link target");
    }
    if (place.exists && S_ISLNK(place.status.st_mode)) {
        TRY_LET(target, read_link_at(place.level.fd, place.name));
        if (target == entry.link) {
            if (nanos_of(place.status.st_mtim) == entry.mtime_nanos) { return ok(); }
            return set_times_at(place.level.fd, place.name, entry.mtime_nanos);
        }
    }
    TRY(make_room(place, false));
    if (::symlinkat(entry.link.c_str(), place.level.fd.raw(), place.name.c_str()) != 0) {
        return os_error("make link", errno);
    }
    return set_times_at(place.level.fd, place.name, entry.mtime_nanos);
}

Result<void> TreeWriter::put_fifo(Place& place, const TreeEntry& entry) {
    TRY(make_room(place, false));
    if (::mkfifoat(place.level.fd.raw(), place.name.c_str(), 0600) != 0 ||
        ::fchmodat(place.level.fd.raw(), place.name.c_str(), entry.mode & 07777, 0) != 0) {
        return os_error("make fifo", errno);
    }
    return set_times_at(place.level.fd, place.name, entry.mtime_nanos);
}

void TreeWriter::put_file(Place& place, TreeEntry entry) {
    if (is_same(place, entry)) {
        ++kept_;
        return;
    }
    wanted_.push_back({static_cast<std::uint32_t>(entries_ - 1), std::move(entry)});
}

// --- content ---

std::vector<std::uint32_t> TreeWriter::take_requests() {
    std::vector<std::uint32_t> ids;
    while (!wanted_.empty() && asked_.size() < limits_.requests_max) {
        Wanted wanted = std::move(wanted_.front());
        wanted_.pop_front();
        ids.push_back(wanted.id);
        asked_[wanted.id].entry = std::move(wanted.entry);
    }
    return ids;
}

Result<os::Fd> TreeWriter::open_parent(const std::string& path) const {
    os::OpenBeneath how;
    how.rule = os::Beneath::NoEscape;
    how.flags = O_RDONLY | O_DIRECTORY;
    how.no_links = true;
    const auto parent = split_path(path).parent;
    return os::open_beneath(root_, parent.empty() ? "." : parent, how);
}

Result<void> TreeWriter::begin_file(Incoming& incoming) const {
    TRY_LET(directory, open_parent(incoming.entry.path));
    incoming.directory = std::move(directory);
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
        const auto name = temporary_name();
        auto file = os::open_file_at(incoming.directory, name,
                                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        if (file) {
            incoming.temporary = name;
            incoming.file = std::move(*file);
            return ok();
        }
        if (file.error().code != Errc::Conflict) { return std::move(file).error(); }
    }
    return conflict("no free name for a new file");
}

Result<void> TreeWriter::data(std::uint32_t id, std::string_view bytes) {
    const auto found = asked_.find(id);
    if (found == asked_.end()) { return invalid("content of a file that was not asked for"); }
    Incoming& incoming = found->second;
    const std::string path = incoming.entry.path;
    if (!incoming.file) { TRY(begin_file(incoming).with(path)); }
    incoming.size += static_cast<std::int64_t>(bytes.size());
    bytes_ += static_cast<std::int64_t>(bytes.size());
    if (incoming.size > incoming.entry.size) {
        return invalid(path + ": more content than the " + std::to_string(incoming.entry.size) +
                       " bytes that were listed");
    }
    if (!bytes.empty()) { return os::write_all(incoming.file, bytes).with(path); }
    TRY(end_file(incoming).with(path));
    asked_.erase(found);
    return ok();
}

Result<void> TreeWriter::end_file(Incoming& incoming) {
    const TreeEntry& entry = incoming.entry;
    if (incoming.size != entry.size) {
        return invalid(std::to_string(incoming.size) + " bytes came of the " +
                       std::to_string(entry.size) + " that were listed");
    }
    for (const auto& [name, value] : entry.xattrs) {
        if (value.size() > limits_.xattr_bytes_max || entry.xattrs.size() > limits_.xattrs_max) {
            return Error{Errc::Exhausted, "too many or too large extended attributes"};
        }
        const int set =
            ::fsetxattr(incoming.file.raw(), name.c_str(), value.data(), value.size(), 0);
        if (set != 0 && errno != ENOTSUP) { return os_error("set attribute " + name, errno); }
    }
    if (::fchmod(incoming.file.raw(), entry.mode & 07777) != 0) {
        return os_error("set the mode", errno);
    }
    const timespec times[2] = {time_of(entry.mtime_nanos), time_of(entry.mtime_nanos)};
    if (::futimens(incoming.file.raw(), times) != 0) { return os_error("set the time", errno); }
    const auto name = split_path(entry.path).name;
    struct stat status {};
    if (::fstatat(incoming.directory.raw(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(status.st_mode)) {
        TRY(os::remove_tree_at(incoming.directory, name));
    }
    if (::renameat(incoming.directory.raw(), incoming.temporary.c_str(), incoming.directory.raw(),
                   name.c_str()) != 0) {
        return os_error("rename into place", errno);
    }
    incoming.temporary.clear();
    ++written_;
    return ok();
}

// --- the end ---

Result<void> TreeWriter::make_hard_link(const TreeEntry& entry) {
    TRY(check_path(entry.link));
    const auto from = split_path(entry.link).name;
    const auto to = split_path(entry.path).name;
    TRY_LET(source, open_parent(entry.link));
    TRY_LET(directory, open_parent(entry.path));
    struct stat first {};
    struct stat old {};
    if (::fstatat(source.raw(), from.c_str(), &first, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(first.st_mode)) {
        return invalid("a hard link to " + entry.link + ", which is no file of the list");
    }
    if (::fstatat(directory.raw(), to.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0) {
        if (old.st_ino == first.st_ino && old.st_dev == first.st_dev) {
            ++kept_;
            return ok();
        }
        TRY(os::remove_tree_at(directory, to));
    }
    if (::linkat(source.raw(), from.c_str(), directory.raw(), to.c_str(), 0) != 0) {
        return os_error("link to " + entry.link, errno);
    }
    ++written_;
    return ok();
}

Result<void> TreeWriter::finish() {
    ASSERT(complete());
    for (const auto& entry : hard_links_) { TRY(make_hard_link(entry).with(entry.path)); }
    for (const auto& [path, nanos] : directory_times_) {
        TRY_LET(parent, open_parent(path));
        TRY(set_times_at(parent, split_path(path).name, nanos));
    }
    return ok();
}

} // namespace shoal::buildkit
