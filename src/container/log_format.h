// Log records as bytes: Docker's json-file lines, our length-prefixed `local` records, syslog and
// journald messages, and the cutting of a container's output into lines of at most 16 KiB. Pure;
// files and sockets are elsewhere. The monitor writes with these and log_reader.h reads.
#pragma once

#include "base/clock.h"
#include "container/config.h"

#include <optional>
#include <string>
#include <string_view>

namespace shoal::container {

inline constexpr std::size_t log_line_bytes_max = 16 * 1024;

/// One piece of output as it goes to a log.
struct LogRecord {
    Instant at;
    bool is_stderr = false;
    bool partial = false;  ///< the line goes on in the next record of this stream
    std::string_view text; ///< without the line end
};

/// Cuts one stream into records: a whole line, or 16 KiB of a longer one, or what is left at the
/// end.
class LineSplitter {
  public:
    /// Calls `take(text, partial)` for each piece.
    template <class F> void feed(std::string_view bytes, F take) {
        while (!bytes.empty()) {
            const std::string_view window = bytes.substr(0, log_line_bytes_max - pending_.size());
            const auto end = window.find('\n');
            if (end != std::string_view::npos) {
                emit(bytes.substr(0, end), false, take);
                bytes.remove_prefix(end + 1);
            } else if (pending_.size() + window.size() == log_line_bytes_max) {
                emit(window, true, take);
                bytes.remove_prefix(window.size());
            } else {
                pending_.append(bytes);
                return;
            }
        }
    }
    template <class F> void finish(F take) {
        if (!pending_.empty()) { emit({}, true, take); }
    }

  private:
    template <class F> void emit(std::string_view rest, bool partial, F take) {
        if (pending_.empty()) { return take(rest, partial); }
        pending_.append(rest);
        take(std::string_view(pending_), partial);
        pending_.clear();
        if (pending_.capacity() > 2 * log_line_bytes_max) { pending_.shrink_to_fit(); }
    }
    std::string pending_;
};

/// {"log":"text\n","stream":"stdout","attrs":{...},"time":"..."}\n ; `attributes_json` is "" or an
/// object's text.
void append_json_line(std::string& out, const LogRecord& record, std::string_view attributes_json);
/// The object of attributes, "" when there are none.
std::string attributes_json(const StringMap& attributes);
/// A JSON string with its quotes, escaped as Docker's writer does; invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// length (4 bytes, big endian) nanoseconds (8) flags (1: bit 0 stderr, bit 1 partial) text length
/// (4). The trailing length lets the reader walk backwards.
void append_local_record(std::string& out, const LogRecord& record);
inline constexpr std::size_t local_record_overhead = 4 + 8 + 1 + 4;
struct LocalRecord {
    Instant at;
    bool is_stderr = false, partial = false;
    std::string_view text;
    std::size_t size = 0; ///< of the whole record
};
/// The record at the beginning of `bytes`; nothing when it is cut off or damaged.
std::optional<LocalRecord> parse_local_record(std::string_view bytes);

struct SyslogSettings {
    enum class Format { Unix, Rfc3164, Rfc5424, Rfc5424Micro };
    Format format = Format::Unix;
    int facility = 3; ///< daemon
    std::string hostname;
    std::string tag;
    int pid = 0;
};
/// One message without a transport's framing.
std::string make_syslog_message(const SyslogSettings& settings, const LogRecord& record);
/// "daemon", "local0", "3" -> 3; nothing for others.
std::optional<int> parse_syslog_facility(std::string_view name);

struct JournalFields {
    StringMap fields; ///< CONTAINER_ID, CONTAINER_NAME, IMAGE_NAME, CONTAINER_TAG, labels
};
/// journald's native datagram.
std::string make_journal_message(const JournalFields& fields, const LogRecord& record);
/// A label's name as a journal field: upper case, other characters "_", no leading "_".
std::string journal_field_name(std::string_view name);

} // namespace shoal::container
