#include "archive/tar_writer.h"

#include "archive/utf8_locale.h"
#include "base/time.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <optional>

namespace shoal::archive {

struct TarWriter::State {
    Sink sink;
    ::archive* tar = archive_write_new();
    archive_entry* entry = archive_entry_new();
    std::optional<Error> sink_error;
    std::vector<Region> regions; ///< of a sparse file, until the next entry
    std::size_t region = 0;
    std::uint64_t position = 0;

    State() {
        const Utf8Locale locale;
        ASSERT(tar != nullptr && entry != nullptr);
        archive_write_set_format_pax_restricted(tar);
        archive_write_set_format_option(tar, "pax", "xattrheader", "SCHILY");
        archive_write_set_bytes_per_block(tar, 0);
        archive_write_set_bytes_in_last_block(tar, 1);
        ASSERT(archive_write_open(tar, this, nullptr, &State::on_write, nullptr) == ARCHIVE_OK);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        archive_entry_free(entry);
        sink = [](std::string_view) -> Result<void> { return {}; }; // freeing writes the end marker
        archive_write_free(tar);
    }

    static la_ssize_t on_write(::archive* tar, void* self_raw, const void* bytes,
                               std::size_t size) {
        auto& self = *static_cast<State*>(self_raw);
        auto written = self.sink({static_cast<const char*>(bytes), size});
        if (written) { return static_cast<la_ssize_t>(size); }
        self.sink_error = std::move(written).error();
        archive_set_error(tar, EIO, "sink failed");
        return -1;
    }

    Result<void> put(std::string_view bytes) {
        while (!bytes.empty()) {
            const la_ssize_t count = archive_write_data(tar, bytes.data(), bytes.size());
            TRY(check(count));
            if (count == 0) { return internal("write tar: more data than the entry has room for"); }
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        return {};
    }

    /// libarchive counts the bytes of holes but does not store them.
    Result<void> put_hole(std::uint64_t length) {
        static constexpr std::array<char, 64 * 1024> zeros{};
        while (length > 0) {
            const auto count = std::min<std::uint64_t>(length, zeros.size());
            TRY(put({zeros.data(), static_cast<std::size_t>(count)}));
            length -= count;
        }
        return {};
    }

    Result<void> put_sparse(std::string_view bytes) {
        while (!bytes.empty()) {
            if (region == regions.size()) {
                return internal("write tar: data beyond the last region");
            }
            const auto [offset, length] = regions[region];
            if (position < offset) { TRY(put_hole(offset - position)); }
            position = std::max(position, offset);
            const std::size_t count =
                std::min<std::uint64_t>(bytes.size(), offset + length - position);
            TRY(put(bytes.substr(0, count)));
            bytes.remove_prefix(count);
            position += count;
            if (position == offset + length) { ++region; }
        }
        return {};
    }

    Result<void> check(la_ssize_t code) {
        if (code >= ARCHIVE_WARN) { return {}; }
        if (sink_error) { return *sink_error; }
        const char* text = archive_error_string(tar);
        return internal(std::string("write tar: ") + (text != nullptr ? text : "unknown reason"));
    }
};

namespace {

unsigned file_type_of(EntryType type) {
    switch (type) {
    case EntryType::Directory:
        return AE_IFDIR;
    case EntryType::Symlink:
        return AE_IFLNK;
    case EntryType::CharDevice:
        return AE_IFCHR;
    case EntryType::BlockDevice:
        return AE_IFBLK;
    case EntryType::Fifo:
        return AE_IFIFO;
    case EntryType::Socket:
        return AE_IFSOCK;
    default:
        return AE_IFREG;
    }
}

void fill(archive_entry* raw, const Entry& entry) {
    archive_entry_clear(raw);
    archive_entry_copy_pathname(raw, entry.name.c_str());
    archive_entry_set_filetype(raw, file_type_of(entry.type));
    archive_entry_set_perm(raw, entry.mode);
    archive_entry_set_uid(raw, entry.uid);
    archive_entry_set_gid(raw, entry.gid);
    archive_entry_set_size(raw,
                           entry.type == EntryType::File ? static_cast<la_int64_t>(entry.size) : 0);
    archive_entry_set_mtime(raw, unix_seconds(entry.mtime), 0);
    if (entry.type == EntryType::HardLink) { archive_entry_copy_hardlink(raw, entry.link.c_str()); }
    if (entry.type == EntryType::Symlink) { archive_entry_copy_symlink(raw, entry.link.c_str()); }
    if (entry.type == EntryType::CharDevice || entry.type == EntryType::BlockDevice) {
        archive_entry_set_rdevmajor(raw, entry.device_major);
        archive_entry_set_rdevminor(raw, entry.device_minor);
    }
    // libarchive writes them in the reverse order of adding; the file has them sorted.
    for (auto xattr = entry.xattrs.rbegin(); xattr != entry.xattrs.rend(); ++xattr) {
        archive_entry_xattr_add_entry(raw, xattr->first.c_str(), xattr->second.data(),
                                      xattr->second.size());
    }
}

} // namespace

TarWriter::TarWriter(Sink sink) : state_(std::make_unique<State>()) {
    state_->sink = std::move(sink);
}
TarWriter::TarWriter(TarWriter&&) noexcept = default;
TarWriter& TarWriter::operator=(TarWriter&&) noexcept = default;
TarWriter::~TarWriter() = default;

Result<void> TarWriter::begin(const Entry& entry) { return begin_sparse(entry, {}); }

Result<void> TarWriter::begin_sparse(const Entry& entry, const std::vector<Region>& regions) {
    const Utf8Locale locale;
    fill(state_->entry, entry);
    for (const auto& region : regions) {
        archive_entry_sparse_add_entry(state_->entry, static_cast<la_int64_t>(region.offset),
                                       static_cast<la_int64_t>(region.length));
    }
    state_->regions = regions;
    state_->region = 0;
    state_->position = 0;
    TRY(state_->check(archive_write_header(state_->tar, state_->entry)).with(entry.name));
    // libarchive stores the map of regions with the first data, which a file that is one hole never
    // has.
    const bool one_hole = regions.size() == 1 && regions[0].length == 0;
    return one_hole ? state_->put_hole(std::min<std::uint64_t>(entry.size, 1)) : ok();
}

Result<void> TarWriter::data(std::string_view bytes) {
    return state_->regions.empty() ? state_->put(bytes) : state_->put_sparse(bytes);
}

Result<void> TarWriter::file(const Entry& entry, std::string_view content) {
    Entry sized = entry;
    sized.size = content.size();
    TRY(begin(sized));
    return data(content);
}

Result<void> TarWriter::finish() {
    const Utf8Locale locale;
    return state_->check(archive_write_close(state_->tar));
}

} // namespace shoal::archive
