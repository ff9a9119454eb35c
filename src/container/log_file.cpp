#include "container/log_file.h"

#include "base/text.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace shoal::container {

Result<RotationSettings> parse_rotation(std::string_view driver, std::string_view max_size,
                                        std::string_view max_file, std::string_view compress) {
    RotationSettings settings;
    const bool local = driver == "local";
    settings.bytes_max = (local ? 20 : 10) * 1024 * 1024;
    settings.files_max = local ? 5 : 3;
    settings.compress = local;
    if (max_size == "-1") {
        settings.bytes_max = -1;
    } else if (!max_size.empty()) {
        TRY_LET(bytes, parse_bytes(max_size));
        if (bytes <= 0) { return invalid("max-size must be a positive number"); }
        settings.bytes_max = bytes;
    }
    if (!max_file.empty()) {
        const auto count = parse_number<int>(max_file);
        if (!count || *count < 1) { return invalid("max-file cannot be less than 1"); }
        if (*count > 1000) { return invalid("max-file cannot be more than 1000"); }
        settings.files_max = *count;
    }
    if (!compress.empty()) {
        const auto flag = parse_bool(compress);
        if (!flag) { return invalid("compress: invalid value \"" + std::string(compress) + "\""); }
        settings.compress = *flag;
        if (*flag && !local && !max_file.empty() &&
            (settings.files_max == 1 || settings.bytes_max == -1)) {
            return invalid(
                "compress cannot be true when max-file is less than 2 or max-size is not set");
        }
    }
    if (settings.files_max == 1) { settings.compress = false; }
    return settings;
}

bool LogFile::ensure_open() {
    if (fd_) { return true; }
    fd_ =
        os::Fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640));
    struct stat status {};
    if (!fd_ || ::fstat(fd_.raw(), &status) != 0) { return false; }
    size_ = status.st_size;
    return true;
}

Result<void> LogFile::open() {
    if (!ensure_open()) { return os_error("open " + path_, errno); }
    return ok();
}

std::int64_t LogFile::room() {
    if (settings_.bytes_max <= 0 || !ensure_open()) { return INT64_MAX; }
    return settings_.bytes_max - size_;
}

bool LogFile::append(std::string_view records) {
    if (!ensure_open()) { return false; }
    if (settings_.bytes_max > 0 && size_ >= settings_.bytes_max) {
        rotate();
        if (!ensure_open()) { return false; }
    }
    std::size_t done = 0;
    while (done < records.size()) {
        const auto wrote = ::write(fd_.raw(), records.data() + done, records.size() - done);
        if (wrote < 0 && errno == EINTR) { continue; }
        if (wrote <= 0) {
            // Half a record would make the next one unreadable.
            if (done > 0 && ::ftruncate(fd_.raw(), size_) != 0) { fd_.reset(); }
            return false;
        }
        done += static_cast<std::size_t>(wrote);
    }
    size_ += static_cast<std::int64_t>(done);
    return true;
}

void LogFile::rotate() {
    const auto name = [this](int index) { return path_ + "." + std::to_string(index); };
    const std::array<const char*, 2> endings{"", ".gz"};
    if (settings_.files_max < 2) {
        if (::ftruncate(fd_.raw(), 0) == 0) { size_ = 0; }
        return;
    }
    for (const char* ending : endings) {
        ::unlink((name(settings_.files_max - 1) + ending).c_str());
    }
    for (int i = settings_.files_max - 1; i > 1; --i) {
        for (const char* ending : endings) {
            (void)::rename((name(i - 1) + ending).c_str(), (name(i) + ending).c_str());
        }
    }
    if (::rename(path_.c_str(), name(1).c_str()) != 0) { return; }
    fd_.reset();
    (void)ensure_open();
    if (settings_.compress && compress_log(name(1), name(1) + ".gz")) { ::unlink(name(1).c_str()); }
}

namespace {
constexpr std::array<unsigned char, 2> inode_tag{'S', 'I'};
}

bool compress_log(const std::string& from, const std::string& to) {
    const os::Fd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    const std::string half = to + ".part";
    const os::Fd target(
        ::open(half.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
    struct stat status {};
    if (!source || !target || ::fstat(source.raw(), &status) != 0) { return false; }

    z_stream stream{};
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    std::array<unsigned char, 12> extra{inode_tag[0], inode_tag[1], 8, 0};
    const auto inode = static_cast<std::uint64_t>(status.st_ino);
    std::memcpy(extra.data() + 4, &inode, 8);
    gz_header header{};
    header.extra = extra.data();
    header.extra_len = extra.size();
    (void)deflateSetHeader(&stream, &header);

    std::array<unsigned char, 16384> in, out;
    bool good = true;
    int flush = Z_NO_FLUSH;
    while (good && flush != Z_FINISH) {
        const auto got = ::read(source.raw(), in.data(), in.size());
        if (got < 0) {
            good = false;
            break;
        }
        stream.next_in = in.data();
        stream.avail_in = static_cast<unsigned>(got);
        flush = got == 0 ? Z_FINISH : Z_NO_FLUSH;
        do {
            stream.next_out = out.data();
            stream.avail_out = out.size();
            (void)deflate(&stream, flush);
            const auto made = static_cast<ssize_t>(out.size() - stream.avail_out);
            good = ::write(target.raw(), out.data(), static_cast<std::size_t>(made)) == made;
        } while (good && stream.avail_out == 0);
    }
    deflateEnd(&stream);
    good = good && ::rename(half.c_str(), to.c_str()) == 0;
    if (!good) { ::unlink(half.c_str()); }
    return good;
}

std::uint64_t compressed_inode(std::string_view header) {
    // RFC 1952: magic, method, flags (bit 2: extra), time, flags, system, extra length, extra.
    if (header.size() < 24 || header.substr(0, 2) != "\x1f\x8b" || (header[3] & 4) == 0) {
        return 0;
    }
    if (header[12] != 'S' || header[13] != 'I') { return 0; }
    std::uint64_t inode = 0;
    std::memcpy(&inode, header.data() + 16, 8);
    return inode;
}

} // namespace shoal::container
