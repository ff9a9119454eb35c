#include "image/recipe.h"

#include "archive/path_in_root.h"
#include "base/text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace shoal::image {
namespace {

constexpr std::size_t block = 512;
constexpr std::size_t kept_max = 64 * 1024; // bytes before a record is written
constexpr std::size_t meta_max =
    1024 * 1024; // a longer pax header is kept without being understood
constexpr std::uint64_t payload_max = 1ull << 50;
// Records: 'K' length bytes; 'F' size, length of name, name. Numbers are 8 bytes, little endian.
constexpr char kept_record = 'K';
constexpr char file_record = 'F';

void append_number(std::string& text, std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
        text += static_cast<char>(number >> shift & 0xff);
    }
}

std::uint64_t read_number(std::string_view bytes) {
    std::uint64_t number = 0;
    for (int i = 7; i >= 0; --i) {
        number = number << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
    }
    return number;
}

std::string_view field(std::string_view header, std::size_t at, std::size_t length) {
    const auto whole = header.substr(at, length);
    return whole.substr(0, whole.find('\0'));
}

/// An octal or, with the top bit set, binary number of a tar header.
std::optional<std::uint64_t> tar_number(std::string_view raw) {
    if ((static_cast<unsigned char>(raw[0]) & 0x80) != 0) {
        if (static_cast<unsigned char>(raw[0]) != 0x80) { return std::nullopt; }
        std::uint64_t number = 0;
        for (const char c : raw.substr(1)) {
            if (number >> 55 != 0) { return std::nullopt; }
            number = number << 8 | static_cast<unsigned char>(c);
        }
        return number;
    }
    const auto digits = trim(raw.substr(0, raw.find('\0')));
    std::uint64_t number = 0;
    for (const char c : digits) {
        if (c < '0' || c > '7') { return std::nullopt; }
        number = number * 8 + static_cast<std::uint64_t>(c - '0');
    }
    return number;
}

bool has_valid_checksum(std::string_view header) {
    const auto claimed = tar_number(header.substr(148, 8));
    std::uint64_t sum = 8 * ' ';
    for (std::size_t i = 0; i < block; ++i) {
        if (i < 148 || i >= 156) { sum += static_cast<unsigned char>(header[i]); }
    }
    return claimed && *claimed == sum;
}

std::string header_name(std::string_view header) {
    std::string name(field(header, 0, 100));
    const auto prefix = field(header, 345, 155);
    if (header.substr(257, 6) == std::string_view("ustar\0", 6) && !prefix.empty()) {
        name = std::string(prefix) + "/" + name;
    }
    return name;
}

} // namespace

Result<void> RecipeWriter::feed(std::string_view bytes) {
    tar_bytes_ += static_cast<std::int64_t>(bytes.size());
    while (!bytes.empty()) {
        if (state_ == State::Tail) { return keep(bytes); }
        if (state_ == State::Header) {
            const auto part = bytes.substr(0, block - header_.size());
            header_ += part;
            bytes.remove_prefix(part.size());
            if (header_.size() == block) { TRY(take_header()); }
            continue;
        }
        const std::uint64_t wanted = left_ > 0 ? left_ : padding_;
        const auto part = bytes.substr(
            0, static_cast<std::size_t>(std::min<std::uint64_t>(wanted, bytes.size())));
        bytes.remove_prefix(part.size());
        if (left_ == 0 || state_ != State::Content) { TRY(keep(part)); }
        if (left_ > 0 && state_ == State::Meta) { meta_ += part; }
        (left_ > 0 ? left_ : padding_) -= part.size();
        if (left_ > 0 || padding_ > 0) { continue; }
        if (state_ == State::Meta) { TRY(end_meta()); }
        state_ = State::Header;
    }
    return ok();
}

void RecipeWriter::begin_payload(State state, std::uint64_t size, std::uint64_t padding) {
    left_ = size;
    padding_ = padding;
    state_ = size + padding == 0 ? State::Header : state;
}

Result<void> RecipeWriter::take_header() {
    const std::string header = std::exchange(header_, {});
    TRY(keep(header));
    const auto size_field = tar_number(std::string_view(header).substr(124, 12));
    if (!has_valid_checksum(header) || !size_field || *size_field > payload_max) {
        state_ = State::Tail; // the end of the archive, or nothing that we understand
        return ok();
    }
    const char type = header[156];
    const std::uint64_t own_size = *size_field;
    if (type == 'x' || type == 'L' || type == 'g' || type == 'K') {
        meta_.clear();
        meta_type_ = type;
        const bool understood =
            (type == 'x' || type == 'L') && own_size <= meta_max && own_size > 0;
        begin_payload(understood ? State::Meta : State::Kept, own_size,
                      (block - own_size % block) % block);
        return ok();
    }
    const std::uint64_t size = next_size_.value_or(own_size);
    const std::string name =
        next_name_.empty() ? header_name(header) : std::exchange(next_name_, {});
    const bool sparse = std::exchange(next_sparse_, false);
    next_size_.reset();
    if (size > payload_max || type == 'S') {
        state_ = State::Tail; // old GNU sparse files have more headers of their own
        return ok();
    }
    const std::uint64_t padding = (block - size % block) % block;
    const bool is_file =
        (type == '0' || type == '\0' || type == '7') && !sparse && !name.ends_with('/');
    if (is_file && size > 0) {
        TRY(add_file(name, size));
        begin_payload(State::Content, size, padding);
    } else if (is_file || type == '0' || type == '\0' || type == '7') {
        begin_payload(State::Kept, size, padding);
    } else {
        // Links, devices and directories have no payload, whatever their size field says (POSIX),
        // except links of pax archives; a wrong guess is noticed by the next checksum.
        begin_payload(State::Kept, 0, 0);
    }
    return ok();
}

Result<void> RecipeWriter::end_meta() {
    if (meta_type_ == 'L') {
        next_name_ = meta_.substr(0, meta_.find('\0'));
        return ok();
    }
    std::string_view rest = meta_;
    while (!rest.empty()) {
        const auto space = rest.find(' ');
        const auto length = parse_number<std::size_t>(rest.substr(0, space));
        if (space == std::string_view::npos || !length || *length <= space + 1 ||
            *length > rest.size()) {
            break;
        }
        const auto record = rest.substr(space + 1, *length - space - 2);
        rest.remove_prefix(*length);
        const auto equals = record.find('=');
        if (equals == std::string_view::npos) { continue; }
        const auto key = record.substr(0, equals);
        const auto value = record.substr(equals + 1);
        if (key == "path") { next_name_ = value; }
        if (key == "size") { next_size_ = parse_number<std::uint64_t>(value); }
        if (key.starts_with("GNU.sparse.")) { next_sparse_ = true; }
    }
    return ok();
}

Result<void> RecipeWriter::keep(std::string_view bytes) {
    kept_ += bytes;
    return kept_.size() >= kept_max ? flush() : ok();
}

Result<void> RecipeWriter::flush() {
    if (kept_.empty()) { return ok(); }
    std::string head(1, kept_record);
    append_number(head, kept_.size());
    TRY(out_(head));
    TRY(out_(kept_));
    kept_.clear();
    return ok();
}

Result<void> RecipeWriter::add_file(const std::string& name, std::uint64_t size) {
    TRY(flush());
    std::string record(1, file_record);
    append_number(record, size);
    append_number(record, name.size());
    return out_(record + name);
}

Result<void> RecipeWriter::finish() {
    TRY(keep(header_));
    header_.clear();
    return flush();
}

// --- playing it back ---

namespace {

class RecipeReader {
  public:
    explicit RecipeReader(const archive::Source& source)
        : source_(source), buffer_(256 * 1024, '\0') {}

    /// 0 bytes at the end of the recipe.
    Result<std::string_view> some(std::size_t most) {
        if (at_ == end_) {
            TRY_LET(got, source_(std::span(buffer_.data(), buffer_.size())));
            at_ = 0;
            end_ = got;
        }
        const std::string_view part =
            std::string_view(buffer_).substr(at_, std::min(most, end_ - at_));
        at_ += part.size();
        return part;
    }
    Result<std::string> exactly(std::size_t length) {
        std::string text;
        while (text.size() < length) {
            TRY_LET(part, some(length - text.size()));
            if (part.empty()) { return internal("layer recipe: ends too early"); }
            text += part;
        }
        return text;
    }

  private:
    const archive::Source& source_;
    std::string buffer_;
    std::size_t at_ = 0;
    std::size_t end_ = 0;
};

class Player {
  public:
    Player(const os::Fd& root, const archive::Sink& sink)
        : root_(root), sink_(sink), buffer_(256 * 1024, '\0') {}

    Result<void> kept(RecipeReader& reader, std::uint64_t length) {
        while (length > 0) {
            TRY_LET(part, reader.some(
                              static_cast<std::size_t>(std::min<std::uint64_t>(length, kept_max))));
            if (part.empty()) { return internal("layer recipe: ends too early"); }
            TRY(sink_(part));
            length -= part.size();
        }
        return ok();
    }

    Result<void> file(const std::string& name, std::uint64_t size) {
        TRY_LET(path, archive::open_in_root(root_, name, archive::Follow::NotLast));
        struct stat status {};
        if (::fstat(path.raw(), &status) != 0) { return os_error("layer file " + name, errno); }
        if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) != size) {
            return internal("layer file " + name + ": is not what the recipe says");
        }
        TRY_LET(fd, archive::reopen(path, O_RDONLY | O_NOATIME | O_CLOEXEC));
        while (size > 0) {
            const auto got =
                ::read(fd.raw(), buffer_.data(), std::min<std::uint64_t>(size, buffer_.size()));
            if (got < 0 && errno == EINTR) { continue; }
            if (got < 0) { return os_error("read layer file " + name, errno); }
            if (got == 0) { return internal("layer file " + name + ": ends too early"); }
            TRY(sink_(std::string_view(buffer_).substr(0, static_cast<std::size_t>(got))));
            size -= static_cast<std::uint64_t>(got);
        }
        return ok();
    }

  private:
    const os::Fd& root_;
    const archive::Sink& sink_;
    std::string buffer_;
};

} // namespace

Result<void> write_from_recipe(const archive::Source& recipe, const os::Fd& root,
                               const archive::Sink& sink) {
    RecipeReader reader(recipe);
    Player player(root, sink);
    while (true) {
        TRY_LET(type, reader.some(1));
        if (type.empty()) { return ok(); }
        const char record = type.front();
        if (record != kept_record && record != file_record) {
            return internal("layer recipe: unknown record");
        }
        TRY_LET(raw, reader.exactly(8));
        const std::uint64_t number = read_number(raw);
        if (record == kept_record) {
            TRY(player.kept(reader, number));
            continue;
        }
        TRY_LET(raw_length, reader.exactly(8));
        if (read_number(raw_length) > meta_max) { return internal("layer recipe: name too long"); }
        TRY_LET(name, reader.exactly(static_cast<std::size_t>(read_number(raw_length))));
        TRY(player.file(name, number));
    }
}

} // namespace shoal::image
