#include "container/log_format.h"

#include "base/text.h"
#include "base/time.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace shoal::container {
namespace {

/// The length of the well-formed UTF-8 sequence at the beginning, or 0.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) { return 1; }
    std::size_t length = 0;
    std::uint32_t code = 0;
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2, code = first & 0x1fU;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3, code = first & 0x0fU;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4, code = first & 0x07U;
    } else {
        return 0;
    }
    if (text.size() < length) { return 0; }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) { return 0; }
        code = (code << 6) | (byte(i) & 0x3fU);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return overlong || surrogate || code > 0x10ffff ? 0 : length;
}

void append_be32(std::string& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(value >> shift));
    }
}
void append_be64(std::string& out, std::uint64_t value) {
    append_be32(out, static_cast<std::uint32_t>(value >> 32));
    append_be32(out, static_cast<std::uint32_t>(value));
}
std::uint64_t read_be(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char c : bytes) { value = (value << 8) | static_cast<unsigned char>(c); }
    return value;
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
    static constexpr char digits[] = "0123456789abcdef";
    out.push_back('"');
    std::size_t plain = 0; // the beginning of what needs no escape
    std::size_t i = 0;
    auto flush = [&] { out.append(text.substr(plain, i - plain)); };
    while (i < text.size()) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\' && byte != '<' &&
            byte != '>' && byte != '&') {
            ++i;
            continue;
        }
        if (byte >= 0x80) {
            const std::size_t length = utf8_length(text.substr(i));
            const bool separator =
                length == 3 && (text.substr(i, 3) == "\u2028" || text.substr(i, 3) == "\u2029");
            if (length != 0 && !separator) {
                i += length;
                continue;
            }
            flush();
            if (separator) {
                out.append(text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029");
            } else {
                out.append("\\ufffd");
            }
            i += length == 0 ? 1 : length;
            plain = i;
            continue;
        }
        flush();
        switch (byte) {
        case '"':
            out.append("\\\"");
            break;
        case '\\':
            out.append("\\\\");
            break;
        case '\n':
            out.append("\\n");
            break;
        case '\r':
            out.append("\\r");
            break;
        case '\t':
            out.append("\\t");
            break;
        default:
            out.append("\\u00");
            out.push_back(digits[byte >> 4]);
            out.push_back(digits[byte & 15]);
        }
        plain = ++i;
    }
    flush();
    out.push_back('"');
}

void append_json_line(std::string& out, const LogRecord& record, std::string_view attributes) {
    out.append("{\"log\":");
    append_json_string(out, record.text);
    if (!record.partial) {
        out.pop_back();
        out.append("\\n\"");
    }
    out.append(record.is_stderr ? ",\"stream\":\"stderr\"" : ",\"stream\":\"stdout\"");
    if (!attributes.empty()) { out.append(",\"attrs\":").append(attributes); }
    out.append(",\"time\":\"").append(format_rfc3339(record.at)).append("\"}\n");
}

std::string attributes_json(const StringMap& attributes) {
    if (attributes.empty()) { return ""; }
    std::string out = "{";
    for (const auto& [name, value] : attributes) {
        if (out.size() > 1) { out.push_back(','); }
        append_json_string(out, name);
        out.push_back(':');
        append_json_string(out, value);
    }
    return out + "}";
}

void append_local_record(std::string& out, const LogRecord& record) {
    const auto length = static_cast<std::uint32_t>(8 + 1 + record.text.size());
    append_be32(out, length);
    append_be64(out, static_cast<std::uint64_t>(unix_nanos(record.at)));
    out.push_back(static_cast<char>((record.is_stderr ? 1 : 0) | (record.partial ? 2 : 0)));
    out.append(record.text);
    append_be32(out, length);
}

std::optional<LocalRecord> parse_local_record(std::string_view bytes) {
    if (bytes.size() < local_record_overhead) { return std::nullopt; }
    const std::uint64_t length = read_be(bytes.substr(0, 4));
    if (length < 9 || length > 9 + log_line_bytes_max || bytes.size() < length + 8) {
        return std::nullopt;
    }
    if (read_be(bytes.substr(4 + length, 4)) != length) { return std::nullopt; }
    LocalRecord record;
    record.at = from_unix_nanos(static_cast<std::int64_t>(read_be(bytes.substr(4, 8))));
    record.is_stderr = (bytes[12] & 1) != 0;
    record.partial = (bytes[12] & 2) != 0;
    record.text = bytes.substr(13, length - 9);
    record.size = length + 8;
    return record;
}

namespace {
std::string stamp(Instant at, const char* format) {
    const std::time_t seconds = unix_seconds(at);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    std::strftime(text.data(), text.size(), format, &parts);
    return text.data();
}
} // namespace

std::string make_syslog_message(const SyslogSettings& s, const LogRecord& record) {
    const int severity = record.is_stderr ? 3 : 6; // error, informational
    const std::string priority = "<" + std::to_string(s.facility * 8 + severity) + ">";
    const std::string text(record.text);
    const std::string pid = std::to_string(s.pid);
    switch (s.format) {
    case SyslogSettings::Format::Rfc5424:
        return priority + "1 " + stamp(record.at, "%Y-%m-%dT%H:%M:%SZ") + " " + s.hostname + " " +
               s.tag + " " + pid + " " + s.tag + " - " + text;
    case SyslogSettings::Format::Rfc5424Micro: {
        std::array<char, 16> micros{};
        const auto fraction = unix_nanos(record.at) % 1'000'000'000 / 1000;
        std::snprintf(micros.data(), micros.size(), ".%06d", static_cast<int>(fraction));
        return priority + "1 " + stamp(record.at, "%Y-%m-%dT%H:%M:%S") + micros.data() + "Z " +
               s.hostname + " " + s.tag + " " + pid + " " + s.tag + " - " + text;
    }
    case SyslogSettings::Format::Rfc3164:
        return priority + stamp(record.at, "%b %e %H:%M:%S") + " " + s.hostname + " " + s.tag +
               "[" + pid + "]: " + text;
    case SyslogSettings::Format::Unix:
        break;
    }
    return priority + stamp(record.at, "%b %e %H:%M:%S") + " " + s.tag + "[" + pid + "]: " + text;
}

std::optional<int> parse_syslog_facility(std::string_view name) {
    static constexpr std::array<std::string_view, 24> names{
        "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
        "uucp",   "cron",   "authpriv", "ftp",    "",       "",       "",       "",
        "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7"};
    if (name.empty()) { return 3; }
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name) { return static_cast<int>(i); }
    }
    const auto number = parse_number<int>(name);
    if (number && *number >= 0 && *number <= 23) { return number; }
    return std::nullopt;
}

std::string make_journal_message(const JournalFields& fields, const LogRecord& record) {
    std::string out;
    auto field = [&out](std::string_view name, std::string_view value) {
        out.append(name);
        if (value.find('\n') == std::string_view::npos) {
            out.append("=").append(value);
        } else {
            // With a line end inside, the value is preceded by its length, 8 bytes little endian.
            out.push_back('\n');
            for (int shift = 0; shift < 64; shift += 8) {
                out.push_back(static_cast<char>(static_cast<std::uint64_t>(value.size()) >> shift));
            }
            out.append(value);
        }
        out.push_back('\n');
    };
    for (const auto& [name, value] : fields.fields) { field(name, value); }
    field("PRIORITY", record.is_stderr ? "3" : "6");
    field("SYSLOG_TIMESTAMP", format_rfc3339(record.at));
    if (record.partial) { field("CONTAINER_PARTIAL_MESSAGE", "true"); }
    field("MESSAGE", record.text);
    return out;
}

std::string journal_field_name(std::string_view name) {
    std::string field;
    for (const char c : to_upper(name)) {
        const bool allowed = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!allowed && field.empty()) { continue; }
        field.push_back(allowed ? c : '_');
    }
    return field;
}

} // namespace shoal::container
