#include "archive/tar_reader.h"

#include "archive/utf8_locale.h"
#include "base/time.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace shoal::archive {

struct TarReader::State {
    Chunks chunks;
    Limits limits;
    ::archive* tar = nullptr;
    std::optional<Error> source_error;
    bool source_ended = false;
    std::uint64_t entries = 0;
    std::uint64_t delivered = 0; ///< bytes of the present entry's data
    bool cut_short = false;      ///< the archive ended behind the data of its last entry
    // The present block of data, for read().
    Block block{};
    std::size_t block_at = 0;
    std::uint64_t position = 0;
    std::uint64_t size = 0;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (tar != nullptr) { archive_read_free(tar); }
    }

    static la_ssize_t on_read(::archive* tar, void* self_raw, const void** bytes) {
        auto& self = *static_cast<State*>(self_raw);
        auto chunk = self.chunks();
        if (!chunk) {
            self.source_error = std::move(chunk).error();
            archive_set_error(tar, EIO, "source failed");
            return -1;
        }
        self.source_ended = chunk->empty();
        *bytes = chunk->data();
        return static_cast<la_ssize_t>(chunk->size());
    }

    /// Nothing is missing but the zeros behind a last entry: some clients do not send them, and
    /// Go's reader does not ask for them.
    bool lacks_only_the_end() const {
        return source_ended && !source_error && entries > 0 && delivered == size;
    }

    Error error() const {
        if (source_error) { return *source_error; }
        const char* text = archive_error_string(tar);
        return invalid(std::string("damaged tar archive: ") +
                       (text != nullptr ? text : "unknown reason"));
    }

    Result<void> start() {
        const Utf8Locale locale;
        tar = archive_read_new();
        ASSERT(tar != nullptr);
        archive_read_support_format_tar(tar);
        archive_read_support_format_empty(tar);
        if (archive_read_open(tar, this, nullptr, &State::on_read, nullptr) < ARCHIVE_WARN) {
            return error();
        }
        return {};
    }
};

namespace {

Error past(std::string_view what, std::uint64_t limit) {
    return Error{Errc::Exhausted, std::string(what) + " (limit " + std::to_string(limit) + ")"};
}

EntryType type_of(archive_entry* raw) {
    if (archive_entry_hardlink(raw) != nullptr) { return EntryType::HardLink; }
    switch (archive_entry_filetype(raw)) {
    case AE_IFDIR:
        return EntryType::Directory;
    case AE_IFLNK:
        return EntryType::Symlink;
    case AE_IFCHR:
        return EntryType::CharDevice;
    case AE_IFBLK:
        return EntryType::BlockDevice;
    case AE_IFIFO:
        return EntryType::Fifo;
    case AE_IFSOCK:
        return EntryType::Socket;
    default:
        return EntryType::File;
    }
}

Result<std::string> text_of(const char* text, const Limits& limits) {
    if (text == nullptr) { return invalid("tar entry without a name"); }
    const std::size_t length = strnlen(text, limits.path_bytes_max + 1);
    if (length > limits.path_bytes_max) {
        return past("tar entry with too long a name", limits.path_bytes_max);
    }
    return std::string(text, length);
}

Result<std::uint32_t> id_of(la_int64_t id, std::string_view what) {
    // 2^32 - 1 means "leave as it is" to chown(2).
    if (id < 0 || id >= 0xffffffffll) {
        return invalid("tar entry with an impossible " + std::string(what));
    }
    return static_cast<std::uint32_t>(id);
}

Result<void> read_xattrs(archive_entry* raw, const Limits& limits, Entry& entry) {
    const int count = archive_entry_xattr_reset(raw);
    if (count > 0 && static_cast<std::size_t>(count) > limits.xattrs_max) {
        return past(entry.name + ": too many extended attributes", limits.xattrs_max);
    }
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (archive_entry_xattr_next(raw, &name, &value, &size) == ARCHIVE_OK) {
        if (size > limits.xattr_bytes_max) {
            return past(entry.name + ": too long an extended attribute", limits.xattr_bytes_max);
        }
        entry.xattrs.emplace(name, std::string(static_cast<const char*>(value), size));
    }
    return {};
}

Instant mtime_of(archive_entry* raw) {
    // Beyond this the nanosecond count would overflow; such a time is a mistake or an attack.
    constexpr la_int64_t seconds_max = 9'000'000'000;
    const la_int64_t seconds =
        std::clamp<la_int64_t>(archive_entry_mtime(raw), -seconds_max, seconds_max);
    return from_unix_nanos(seconds * 1'000'000'000 + archive_entry_mtime_nsec(raw));
}

Result<Entry> entry_of(archive_entry* raw, const Limits& limits) {
    Entry entry;
    TRY_LET(name, text_of(archive_entry_pathname(raw), limits));
    entry.name = std::move(name);
    entry.type = type_of(raw);
    if (entry.type == EntryType::HardLink || entry.type == EntryType::Symlink) {
        const char* link = entry.type == EntryType::HardLink ? archive_entry_hardlink(raw)
                                                             : archive_entry_symlink(raw);
        TRY_LET(target, text_of(link, limits).with(entry.name));
        entry.link = std::move(target);
    }
    entry.mode = archive_entry_perm(raw) & 07777;
    TRY_LET(uid, id_of(archive_entry_uid(raw), "uid").with(entry.name));
    TRY_LET(gid, id_of(archive_entry_gid(raw), "gid").with(entry.name));
    entry.uid = uid;
    entry.gid = gid;
    const la_int64_t size = archive_entry_size(raw);
    if (size < 0) { return invalid(entry.name + ": negative size"); }
    entry.size = entry.type == EntryType::File ? static_cast<std::uint64_t>(size) : 0;
    if (entry.size > limits.file_bytes_max) {
        return past(entry.name + ": file too large", limits.file_bytes_max);
    }
    entry.mtime = mtime_of(raw);
    if (entry.type == EntryType::CharDevice || entry.type == EntryType::BlockDevice) {
        entry.device_major = static_cast<std::uint32_t>(archive_entry_rdevmajor(raw));
        entry.device_minor = static_cast<std::uint32_t>(archive_entry_rdevminor(raw));
    }
    TRY(read_xattrs(raw, limits, entry));
    return entry;
}

Chunks chunks_of(Source source) {
    auto buffer = std::make_shared<std::vector<char>>(256 * 1024);
    auto ended = std::make_shared<bool>(false);
    return [source = std::move(source), buffer, ended]() -> Result<std::string_view> {
        if (*ended) { return std::string_view{}; }
        TRY_LET(count, source(*buffer));
        *ended = count == 0;
        return std::string_view(buffer->data(), count);
    };
}

} // namespace

TarReader::TarReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
TarReader::TarReader(TarReader&&) noexcept = default;
TarReader& TarReader::operator=(TarReader&&) noexcept = default;
TarReader::~TarReader() = default;

Result<TarReader> TarReader::open(Source source, Limits limits) {
    TRY_LET(plain, decompressed(std::move(source), limits));
    return over(chunks_of(std::move(plain)), limits);
}

Result<TarReader> TarReader::over(Chunks chunks, Limits limits) {
    auto state = std::make_unique<State>();
    state->chunks = std::move(chunks);
    state->limits = limits;
    TRY(state->start());
    return TarReader(std::move(state));
}

Result<std::optional<Entry>> TarReader::next() {
    const Utf8Locale locale;
    if (state_->cut_short) { return std::optional<Entry>{}; }
    archive_entry* raw = nullptr;
    const int code = archive_read_next_header(state_->tar, &raw);
    // The library takes a source that fails at its first byte for an empty archive.
    if (code == ARCHIVE_EOF && state_->source_error) { return state_->error(); }
    if (code == ARCHIVE_EOF) { return std::optional<Entry>{}; }
    if (code < ARCHIVE_WARN) { return state_->error(); }
    if (++state_->entries > state_->limits.entries_max) {
        return past("archive has too many entries", state_->limits.entries_max);
    }
    TRY_LET(entry, entry_of(raw, state_->limits));
    state_->block = {};
    state_->block_at = 0;
    state_->position = 0;
    state_->delivered = 0;
    state_->size = entry.size;
    return std::optional<Entry>(std::move(entry));
}

Result<TarReader::Block> TarReader::next_block() {
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    while (true) {
        const int code = archive_read_data_block(state_->tar, &bytes, &size, &offset);
        if (code == ARCHIVE_EOF) { return Block{{}, state_->size}; }
        if (code < ARCHIVE_WARN && state_->lacks_only_the_end()) {
            state_->cut_short = true;
            return Block{{}, state_->size};
        }
        if (code < ARCHIVE_WARN) { return state_->error(); }
        if (offset < 0 || static_cast<std::uint64_t>(offset) + size > state_->size) {
            return invalid("damaged tar archive: data beyond the end of its file");
        }
        state_->delivered += size;
        if (size > 0) {
            return Block{{static_cast<const char*>(bytes), size},
                         static_cast<std::uint64_t>(offset)};
        }
    }
}

Result<std::size_t> TarReader::read(std::span<char> into) {
    State& s = *state_;
    if (into.empty() || s.position >= s.size) { return std::size_t{0}; }
    if (s.block_at == s.block.bytes.size()) {
        TRY_LET(block, next_block());
        if (!block.bytes.empty() && block.offset < s.position) {
            return invalid("damaged tar archive: sparse regions out of order");
        }
        s.block = block;
        s.block_at = 0;
    }
    std::size_t count = 0;
    if (s.position < s.block.offset || s.block.bytes.empty()) { // a hole
        const std::uint64_t end = s.block.bytes.empty() ? s.size : s.block.offset;
        count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), end - s.position));
        std::memset(into.data(), 0, count);
    } else {
        count = std::min(into.size(), s.block.bytes.size() - s.block_at);
        std::memcpy(into.data(), s.block.bytes.data() + s.block_at, count);
        s.block_at += count;
    }
    s.position += count;
    return count;
}

Source TarReader::data() {
    return [this](std::span<char> into) { return read(into); };
}

} // namespace shoal::archive
