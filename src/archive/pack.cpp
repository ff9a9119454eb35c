#include "archive/pack.h"

#include "archive/hash.h"
#include "archive/name.h"
#include "archive/tar_writer.h"
#include "archive/xattrs.h"
#include "base/time.h"
#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace shoal::archive {

namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;
constexpr std::size_t levels_max = 1024; ///< a descriptor is held per level

/// tar -> buffer -> hash -> compressor -> hash -> sink.
class Output {
  public:
    Output(const PackOptions& options, const Sink& sink) : options_(options), sink_(sink) {
        buffer_.reserve(buffer_bytes);
    }

    Result<void> open() {
        TRY_LET(compressor, make_compressor(options_.compression, [this](std::string_view bytes) {
                    return leave(bytes);
                }));
        compressor_ = std::move(compressor);
        return {};
    }
    Result<void> write(std::string_view bytes) {
        while (!bytes.empty()) {
            const std::size_t count = std::min(bytes.size(), buffer_bytes - buffer_.size());
            buffer_.append(bytes.substr(0, count));
            bytes.remove_prefix(count);
            if (buffer_.size() == buffer_bytes) { TRY(flush()); }
        }
        return {};
    }
    Result<void> finish(Packed& result) {
        TRY(flush());
        TRY(compressor_->finish());
        result.bytes_plain = plain_;
        result.bytes_compressed = compressed_;
        if (options_.hash_plain) { result.digest_plain = plain_hash_.finish(); }
        if (!options_.hash_compressed) { return {}; }
        result.digest_compressed = same_hash() ? result.digest_plain : compressed_hash_.finish();
        return {};
    }

  private:
    bool same_hash() const {
        return options_.compression == Compression::None && options_.hash_plain;
    }

    Result<void> flush() {
        if (options_.cancelled != nullptr && *options_.cancelled) {
            return Error{Errc::Cancelled, "cancelled"};
        }
        plain_ += buffer_.size();
        if (options_.hash_plain) { plain_hash_.update(buffer_); }
        auto written = compressor_->write(buffer_);
        buffer_.clear();
        return written;
    }
    Result<void> leave(std::string_view bytes) {
        compressed_ += bytes.size();
        if (options_.hash_compressed && !same_hash()) { compressed_hash_.update(bytes); }
        return sink_(bytes);
    }

    const PackOptions& options_;
    const Sink& sink_;
    std::string buffer_;
    std::unique_ptr<Compressor> compressor_;
    Sha256 plain_hash_;
    Sha256 compressed_hash_;
    std::uint64_t plain_ = 0;
    std::uint64_t compressed_ = 0;
};

bool is_whiteout(const struct stat& status) {
    return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

EntryType type_of(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return EntryType::Directory;
    case S_IFLNK:
        return EntryType::Symlink;
    case S_IFCHR:
        return EntryType::CharDevice;
    case S_IFBLK:
        return EntryType::BlockDevice;
    case S_IFIFO:
        return EntryType::Fifo;
    case S_IFSOCK:
        return EntryType::Socket;
    default:
        return EntryType::File;
    }
}

Entry entry_of(const std::string& name, const struct stat& status) {
    Entry entry;
    entry.name = name;
    entry.type = type_of(status.st_mode);
    entry.mode = status.st_mode & 07777;
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    entry.mtime = from_unix_nanos(status.st_mtim.tv_sec * 1'000'000'000ll);
    if (entry.type == EntryType::File) { entry.size = static_cast<std::uint64_t>(status.st_size); }
    if (entry.type == EntryType::CharDevice || entry.type == EntryType::BlockDevice) {
        entry.device_major = major(status.st_rdev);
        entry.device_minor = minor(status.st_rdev);
    }
    return entry;
}

/// Where a file has data; empty for an ordinary file, one {0, 0} for a file that is one hole.
std::vector<TarWriter::Region> regions_of(const os::Fd& file, const struct stat& status) {
    std::vector<TarWriter::Region> regions;
    if (status.st_size == 0 || status.st_blocks * 512 >= status.st_size) { return regions; }
    off_t at = 0;
    while (at < status.st_size) {
        const off_t data = ::lseek(file.raw(), at, SEEK_DATA);
        if (data < 0 && errno != ENXIO) { return {}; }
        if (data < 0 || data >= status.st_size) { break; }
        off_t hole = ::lseek(file.raw(), data, SEEK_HOLE);
        if (hole < 0 || hole > status.st_size) { hole = status.st_size; }
        regions.push_back(
            {static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(hole - data)});
        at = hole;
    }
    const bool whole = regions.size() == 1 && regions[0].offset == 0 &&
                       regions[0].length == static_cast<std::uint64_t>(status.st_size);
    if (whole) { return {}; }
    if (regions.empty()) { regions.push_back({0, 0}); }
    return regions;
}

class Packer {
  public:
    Packer(const PackOptions& options, Output& output, Packed& result)
        : options_(options), result_(result),
          writer_([&output](std::string_view bytes) { return output.write(bytes); }),
          buffer_(buffer_bytes) {}

    /// Everything in an open directory; `prefix` is "" or ends in "/".
    Result<void> add_content(os::Fd directory, const std::string& prefix) {
        TRY(enter(std::move(directory), prefix));
        while (!levels_.empty()) {
            Level& level = levels_.back();
            if (level.next == level.list.size()) {
                levels_.pop_back();
                continue;
            }
            const std::string base = level.list[level.next++].name;
            TRY(add(level.directory, base, level.prefix + base));
        }
        return {};
    }

    /// A directory is entered, its content follows later.
    Result<void> add(const os::Fd& parent, const std::string& base, const std::string& name) {
        struct stat status {};
        if (::fstatat(parent.raw(), base.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return errno == ENOENT ? ok() : os_error("stat " + name, errno);
        }
        if (options_.overlay_upper && is_whiteout(status)) { return add_whiteout(name, status); }
        Entry entry = described(name, status);
        switch (entry.type) {
        case EntryType::Socket:
            return {};
        case EntryType::Directory:
            return add_directory(parent, base, entry);
        case EntryType::File:
            return add_file(parent, base, std::move(entry));
        default:
            return add_node(parent, base, std::move(entry), status);
        }
    }

    /// The topmost directory itself, as "./" or under the name it is to have.
    Result<void> add_top(os::Fd directory, const std::string& name) {
        struct stat status {};
        if (::fstat(directory.raw(), &status) != 0) { return os_error("stat " + name, errno); }
        Entry entry = described(name, status);
        TRY_LET(entered, write_directory(directory, entry));
        return entered ? add_content(std::move(directory), name + "/") : ok();
    }

    Result<void> finish() {
        for (const auto& extra : options_.extras) {
            Entry entry = extra.entry;
            entry.size = extra.content.size();
            ++result_.entries;
            TRY(writer_.file(entry, extra.content));
        }
        return writer_.finish();
    }

  private:
    Entry described(const std::string& name, const struct stat& status) const {
        Entry entry = entry_of(name, status);
        if (options_.owner) {
            entry.uid = options_.owner->uid;
            entry.gid = options_.owner->gid;
        }
        return entry;
    }

    /// A directory being read. An explicit stack: the depth is up to whoever made the tree.
    struct Level {
        os::Fd directory;
        std::string prefix;
        std::vector<os::Entry> list;
        std::size_t next = 0;
    };

    Result<void> enter(os::Fd directory, const std::string& prefix) {
        if (levels_.size() == levels_max) {
            return Error{Errc::Exhausted, prefix + ": directories nested too deeply"};
        }
        TRY_LET(list, os::list_directory(directory));
        levels_.push_back({std::move(directory), prefix, std::move(list)});
        return {};
    }

    bool wanted(const Entry& entry) const { return !options_.filter || options_.filter(entry); }

    Result<void> write(const Entry& entry) {
        ++result_.entries;
        return writer_.begin(entry);
    }

    Result<void> add_whiteout(const std::string& name, const struct stat& status) {
        const auto [parent, base] = split_name(name);
        Entry entry = described(name, status);
        entry.name = (parent.empty() ? "" : std::string(parent) + "/") +
                     std::string(whiteout_prefix) + std::string(base);
        entry.type = EntryType::File;
        entry.mode = 0600;
        entry.device_major = entry.device_minor = 0;
        return wanted(entry) ? write(entry) : ok();
    }

    Result<void> take_xattrs(Entry& entry, Result<Xattrs> found) {
        TRY_LET(xattrs, std::move(found).with(entry.name));
        for (auto& [name, value] : xattrs) {
            if (name == "security.selinux") {
                continue;
            } // the host's policy, not the file's content
            if (!is_overlay_xattr(name)) {
                entry.xattrs.emplace(name, std::move(value));
            } else if (options_.overlay_upper &&
                       (name == "trusted.overlay.redirect" || name == "trusted.overlay.metacopy")) {
                return unsupported(entry.name +
                                   ": overlay directory was mounted with redirect_dir or metacopy");
            }
        }
        return {};
    }

    /// False when nothing of what is in it is wanted.
    Result<bool> write_directory(const os::Fd& directory, Entry& entry) {
        TRY(take_xattrs(entry, read_xattrs(directory)));
        if (!wanted(entry)) { return options_.enter && options_.enter(entry); }
        TRY(write(entry));
        if (!options_.overlay_upper || !is_opaque(directory)) { return true; }
        Entry mark = entry;
        mark.name += "/" + std::string(whiteout_opaque);
        mark.type = EntryType::File;
        mark.mode = 0600;
        mark.xattrs.clear();
        TRY(write(mark));
        return true;
    }

    Result<void> add_directory(const os::Fd& parent, const std::string& base, Entry& entry) {
        os::Fd directory(
            ::openat(parent.raw(), base.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!directory) {
            return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
                       ? ok()
                       : os_error("open " + entry.name, errno);
        }
        TRY_LET(entered, write_directory(directory, entry));
        return entered ? enter(std::move(directory), entry.name + "/") : ok();
    }

    Result<void> add_node(const os::Fd& parent, const std::string& base, Entry entry,
                          const struct stat& status) {
        TRY(take_xattrs(entry, read_xattrs_at(parent, base)));
        if (entry.type == EntryType::Symlink) {
            std::string target(4096, '\0');
            const ssize_t length =
                ::readlinkat(parent.raw(), base.c_str(), target.data(), target.size());
            if (length < 0) {
                return errno == ENOENT || errno == EINVAL
                           ? ok()
                           : os_error("readlink " + entry.name, errno);
            }
            target.resize(static_cast<std::size_t>(length));
            entry.link = std::move(target);
        }
        if (!wanted(entry)) { return {}; }
        TRY_LET(linked, add_as_link(entry, status));
        return linked ? ok() : write(entry);
    }

    /// A further name of a file that is already in the archive.
    Result<bool> add_as_link(const Entry& entry, const struct stat& status) {
        if (status.st_nlink < 2) { return false; }
        const auto [known, fresh] = names_.try_emplace({status.st_dev, status.st_ino}, entry.name);
        if (fresh) { return false; }
        Entry link = entry;
        link.type = EntryType::HardLink;
        link.link = known->second;
        link.size = 0;
        link.xattrs.clear();
        TRY(write(link));
        return true;
    }

    Result<void> add_file(const os::Fd& parent, const std::string& base, Entry entry) {
        os::Fd file(
            ::openat(parent.raw(), base.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!file) {
            return errno == ENOENT || errno == ELOOP ? ok() : os_error("open " + entry.name, errno);
        }
        struct stat status {};
        if (::fstat(file.raw(), &status) != 0) { return os_error("stat " + entry.name, errno); }
        if (!S_ISREG(status.st_mode)) { return {}; } // swapped since it was listed
        entry = described(entry.name, status);
        TRY(take_xattrs(entry, read_xattrs_at(parent, base)));
        if (!wanted(entry)) { return {}; }
        TRY_LET(linked, add_as_link(entry, status));
        if (linked) { return {}; }
        result_.bytes_files += entry.size;
        ++result_.entries;
        const auto regions = regions_of(file, status);
        TRY(regions.empty() ? writer_.begin(entry) : writer_.begin_sparse(entry, regions));
        if (regions.empty()) { return write_range(file, entry, {0, entry.size}); }
        for (const auto& region : regions) { TRY(write_range(file, entry, region)); }
        return {};
    }

    Result<void> write_range(const os::Fd& file, const Entry& entry, TarWriter::Region range) {
        while (range.length > 0) {
            const std::size_t want = std::min<std::uint64_t>(range.length, buffer_.size());
            ssize_t got =
                ::pread(file.raw(), buffer_.data(), want, static_cast<off_t>(range.offset));
            if (got < 0 && errno == EINTR) { continue; }
            if (got < 0) { return os_error("read " + entry.name, errno); }
            if (got == 0) { // it has shrunk; the header has promised its length
                std::fill_n(buffer_.begin(), want, '\0');
                got = static_cast<ssize_t>(want);
            }
            TRY(writer_.data({buffer_.data(), static_cast<std::size_t>(got)}));
            range.offset += static_cast<std::uint64_t>(got);
            range.length -= static_cast<std::uint64_t>(got);
        }
        return {};
    }

    const PackOptions& options_;
    Packed& result_;
    TarWriter writer_;
    std::vector<char> buffer_;
    std::vector<Level> levels_;
    std::map<std::pair<dev_t, ino_t>, std::string> names_;
};

Result<os::Fd> open_without_links(const os::Fd& directory, std::string_view path, int flags) {
    os::OpenBeneath how;
    how.rule = os::Beneath::NoEscape;
    how.flags = flags;
    how.no_links = true;
    return os::open_beneath(directory, path.empty() ? "." : path, how);
}

Result<void> add_all(Packer& packer, const os::Fd& directory, const PackOptions& options) {
    TRY_LET(what, clean_name(options.what, Limits{}));
    if (what.empty()) {
        TRY_LET(top, open_without_links(directory, ".", O_RDONLY | O_DIRECTORY));
        if (options.as.empty() && !options.with_root) {
            return packer.add_content(std::move(top), "");
        }
        return packer.add_top(std::move(top), options.as.empty() ? "." : options.as);
    }
    const auto [parent_name, base] = split_name(what);
    TRY_LET(parent, open_without_links(directory, parent_name, O_RDONLY | O_DIRECTORY));
    struct stat status {};
    if (::fstatat(parent.raw(), std::string(base).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return os_error(what, errno);
    }
    if (S_ISDIR(status.st_mode) && options.as.empty()) {
        TRY_LET(top, open_without_links(parent, base, O_RDONLY | O_DIRECTORY));
        return packer.add_content(std::move(top), "");
    }
    if (S_ISDIR(status.st_mode)) {
        TRY_LET(top, open_without_links(parent, base, O_RDONLY | O_DIRECTORY));
        return packer.add_top(std::move(top), options.as);
    }
    return packer.add(parent, std::string(base),
                      options.as.empty() ? std::string(base) : options.as);
}

} // namespace

Result<Packed> pack(const os::Fd& directory, const PackOptions& options, const Sink& sink) {
    Packed result;
    Output output(options, sink);
    TRY(output.open());
    Packer packer(options, output, result);
    TRY(add_all(packer, directory, options));
    TRY(packer.finish());
    TRY(output.finish(result));
    return result;
}

} // namespace shoal::archive
