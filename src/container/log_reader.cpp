#include "container/log_reader.h"

#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "container/log_format.h"
#include "os/file.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace shoal::container {
namespace {

constexpr std::size_t read_bytes = 64 * 1024;
constexpr std::size_t record_bytes_max = 1024 * 1024; ///< a longer line is damage
constexpr std::size_t unpacked_bytes_max = 1024UL * 1024 * 1024;
constexpr int files_max = 1000;

ino_t inode_of(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

std::string rotated(const std::string& path, int number) {
    return number == 0 ? path : path + "." + std::to_string(number);
}

Result<std::string> unpack(const std::string& path) {
    gzFile file = gzopen(path.c_str(), "rbe");
    if (file == nullptr) { return os_error("open " + path, errno); }
    std::string text;
    std::string piece(read_bytes, '\0');
    int got = 0;
    while ((got = gzread(file, piece.data(), static_cast<unsigned>(piece.size()))) > 0 &&
           text.size() < unpacked_bytes_max) {
        text.append(piece, 0, static_cast<std::size_t>(got));
    }
    gzclose(file);
    return text;
}

/// One file of the log, read forward. A compressed one is unpacked as a whole.
class Source {
  public:
    static Result<Source> open(const std::string& path) {
        Source source;
        if (path.ends_with(".gz")) {
            TRY_LET(text, unpack(path));
            source.buffer_ = std::move(text);
            return source;
        }
        TRY_LET(fd, os::open_file(path, O_RDONLY));
        struct stat info {};
        if (::fstat(fd.raw(), &info) == 0) { source.inode_ = info.st_ino; }
        source.fd_ = std::move(fd);
        return source;
    }

    /// The next whole record as bytes, or nothing at the present end.
    template <class Cut> std::optional<std::string_view> next(Cut cut_record) {
        for (;;) {
            const std::size_t size = cut_record(std::string_view(buffer_).substr(offset_));
            if (size > 0) {
                const std::string_view record(buffer_.data() + offset_, size);
                offset_ += size;
                return record;
            }
            if (!fill()) { return std::nullopt; }
        }
    }
    ino_t inode() const { return inode_; }

  private:
    bool fill() {
        if (!fd_) { return false; }
        buffer_.erase(0, offset_);
        offset_ = 0;
        if (buffer_.size() > record_bytes_max) { buffer_.clear(); }
        const std::size_t before = buffer_.size();
        buffer_.resize(before + read_bytes);
        const ssize_t got = ::read(fd_.raw(), buffer_.data() + before, read_bytes);
        buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        return got > 0;
    }
    os::Fd fd_;
    ino_t inode_ = 0;
    std::string buffer_;
    std::size_t offset_ = 0;
};

std::size_t cut_json(std::string_view bytes) {
    const auto end = bytes.find('\n');
    return end == std::string_view::npos ? 0 : end + 1;
}

std::size_t cut_local(std::string_view bytes) {
    const auto record = parse_local_record(bytes);
    return record ? record->size : 0;
}

std::optional<LogLine> read_json(std::string_view record) {
    auto json = parse_json(record);
    if (!json || !json->is_object()) { return std::nullopt; }
    LogLine line;
    if (json->contains("log") && (*json)["log"].is_string()) {
        line.text = (*json)["log"].get<std::string>();
    }
    line.is_stderr = json->value("stream", "") == "stderr";
    if (auto at = parse_rfc3339(json->value("time", ""))) { line.at = *at; }
    if (json->contains("attrs") && (*json)["attrs"].is_object()) {
        for (const auto& [name, value] : (*json)["attrs"].items()) {
            if (value.is_string()) { line.attributes[name] = value.get<std::string>(); }
        }
    }
    line.partial = !line.text.ends_with('\n');
    return line;
}

std::optional<LogLine> read_local(std::string_view bytes) {
    const auto record = parse_local_record(bytes);
    if (!record) { return std::nullopt; }
    LogLine line{record->at, record->is_stderr, record->partial, std::string(record->text), {}};
    if (!line.partial) { line.text += '\n'; }
    return line;
}

} // namespace

struct LogCursor::State {
    LogQuery query;
    std::vector<std::string> files; ///< still to be read, oldest first
    std::optional<Source> source;
    bool newest = false; ///< `source` was the newest file when it was opened
    bool done = false;
    std::int64_t skip = 0;          ///< lines
    std::array<bool, 2> goes_on{};  ///< per stream: the record before was a part, so the next one
                                    ///< belongs to its line
    std::array<bool, 2> skipping{}; ///< per stream: the present line is left out

    /// A line longer than one record is one line.
    bool begins_line(const LogLine& line) {
        return !std::exchange(goes_on[line.is_stderr], line.partial);
    }
    bool is_skipped(const LogLine& line) {
        if (begins_line(line)) {
            skipping[line.is_stderr] = skip > 0;
            if (skip > 0) { --skip; }
        }
        return skipping[line.is_stderr];
    }

    std::optional<LogLine> parse(std::string_view record) const {
        return query.driver == "local" ? read_local(record) : read_json(record);
    }
    bool wanted(const LogLine& line) const {
        if (!(line.is_stderr ? query.err : query.out)) { return false; }
        return query.since == Instant{} || line.at >= query.since;
    }
    bool beyond(const LogLine& line) const {
        return query.until != Instant{} && line.at > query.until;
    }

    bool open_next() {
        while (!files.empty()) {
            const std::string path = files.front();
            files.erase(files.begin());
            auto opened = Source::open(path);
            if (!opened) { continue; } // rotated away meanwhile
            source.emplace(std::move(*opened));
            newest = files.empty();
            return true;
        }
        return false;
    }

    /// The newest file was rotated while we read it: what came behind it is to be read next.
    bool follow_rotation() {
        const ino_t present = inode_of(query.path);
        if (present == 0 || !source || present == source->inode()) { return false; }
        int number = 1;
        while (number < files_max && os::exists(rotated(query.path, number)) &&
               inode_of(rotated(query.path, number)) != source->inode()) {
            ++number;
        }
        if (!os::exists(rotated(query.path, number))) { number = 1; } // compressed or gone
        for (int newer = number - 1; newer >= 0; --newer) {
            files.push_back(rotated(query.path, newer));
        }
        return !files.empty();
    }

    std::optional<LogLine> next() {
        const auto cut_record = query.driver == "local" ? cut_local : cut_json;
        for (;;) {
            if (!source && !open_next()) {
                // The log may not exist yet.
                if (!query.follow || !os::exists(query.path)) { return std::nullopt; }
                files.push_back(query.path);
                continue;
            }
            if (auto record = source->next(cut_record)) {
                auto line = parse(*record);
                if (!line || !wanted(*line)) { continue; }
                if (beyond(*line)) {
                    done = true;
                    return std::nullopt;
                }
                return line;
            }
            if (newest && !follow_rotation()) { return std::nullopt; }
            source.reset();
        }
    }
};

LogCursor::LogCursor(std::unique_ptr<State> state) : state_(std::move(state)) {}
LogCursor::LogCursor(LogCursor&&) noexcept = default;
LogCursor& LogCursor::operator=(LogCursor&&) noexcept = default;
LogCursor::~LogCursor() = default;

Result<LogCursor> LogCursor::open(LogQuery query) {
    if (query.driver != "json-file" && query.driver != "local") {
        return unsupported("configured logging driver does not support reading");
    }
    const auto start = [&] {
        auto state = std::make_unique<State>();
        state->query = query;
        state->files = log_files(query.path);
        std::reverse(state->files.begin(), state->files.end());
        return state;
    };
    auto state = start();
    if (query.tail) {
        // Counted first, so that memory stays small however long the log is.
        state->query.follow = false;
        std::int64_t total = 0;
        while (auto line = state->next()) { total += state->begins_line(*line) ? 1 : 0; }
        state = start();
        state->skip = std::max<std::int64_t>(0, total - std::max<std::int64_t>(0, *query.tail));
    }
    return LogCursor(std::move(state));
}

Result<std::vector<LogLine>> LogCursor::read(std::size_t lines_max) {
    std::vector<LogLine> lines;
    while (lines.size() < lines_max && !state_->done) {
        auto line = state_->next();
        if (!line) {
            if (!state_->query.follow) { state_->done = true; }
            break;
        }
        if (!state_->is_skipped(*line)) { lines.push_back(std::move(*line)); }
    }
    return lines;
}

bool LogCursor::done() const { return state_->done; }

std::string format_log_line(const LogLine& line, LogFormat format) {
    std::string text;
    if (format.timestamps) { text += format_rfc3339_fixed(line.at) + " "; }
    if (format.details) {
        std::vector<std::string> pairs;
        for (const auto& [name, value] : line.attributes) {
            pairs.push_back(encode_percent(name) + "=" + encode_percent(value));
        }
        text += join(pairs, ",") + " ";
    }
    return text + line.text;
}

std::vector<std::string> log_files(const std::string& path) {
    std::vector<std::string> files;
    if (os::exists(path)) { files.push_back(path); }
    for (int number = 1; number < files_max; ++number) {
        const std::string plain = rotated(path, number);
        if (os::exists(plain)) {
            files.push_back(plain);
        } else if (os::exists(plain + ".gz")) {
            files.push_back(plain + ".gz");
        } else {
            break;
        }
    }
    return files;
}

Result<void> remove_logs(const std::string& path) {
    ErrorList errors;
    for (const auto& file : log_files(path)) { errors.add(os::remove_file(file)); }
    if (errors.empty()) { return ok(); }
    return errors.joined();
}

} // namespace shoal::container
