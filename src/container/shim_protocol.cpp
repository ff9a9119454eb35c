#include "container/shim_protocol.h"

#include "base/text.h"
#include "base/time.h"

#include <charconv>
#include <map>

namespace shoal::container {
namespace {

std::string be32(std::uint32_t value) {
    std::string bytes(4, '\0');
    for (int i = 0; i < 4; ++i) {
        bytes[static_cast<std::size_t>(i)] = static_cast<char>(value >> (24 - 8 * i));
    }
    return bytes;
}

std::uint32_t from_be32(std::string_view bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        value = (value << 8) | static_cast<unsigned char>(bytes[i]);
    }
    return value;
}

// "key=value" lines; percent escapes keep line ends and percent signs out of values.

std::string escape_line(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        switch (c) {
        case '%':
            escaped += "%25";
            break;
        case '\n':
            escaped += "%0A";
            break;
        case '\r':
            escaped += "%0D";
            break;
        case '\0':
            escaped += "%00";
            break;
        default:
            escaped += c;
        }
    }
    return escaped;
}

void put(std::string& out, std::string_view key, std::string_view value) {
    out.append(key).append("=").append(escape_line(value)).append("\n");
}
void put_number(std::string& out, std::string_view key, std::int64_t value) {
    put(out, key, std::to_string(value));
}
void put_map(std::string& out, std::string_view key, const StringMap& map) {
    for (const auto& [name, value] : map) {
        put(out, std::string(key) + "." + replace_all(escape_line(name), "=", "%3D"), value);
    }
}

using Lines = std::vector<std::pair<std::string, std::string>>;

Result<Lines> parse_lines(std::string_view text) {
    Lines lines;
    for (const auto& line : split(text, '\n')) {
        if (line.empty()) { continue; }
        const auto equals = line.find('=');
        if (equals == std::string::npos) { return invalid("line without \"=\": " + line); }
        TRY_LET(value, decode_percent(std::string_view(line).substr(equals + 1), false));
        lines.emplace_back(line.substr(0, equals), std::move(value));
    }
    return lines;
}

template <class T>
Result<void> take_number(const std::string& key, const std::string& value, T& number) {
    const auto parsed = parse_number<T>(value);
    if (!parsed) { return invalid(key + ": not a number: " + value); }
    number = *parsed;
    return ok();
}

std::string quote_json(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            quoted.append("\\").push_back(c);
        } else if (byte < 0x20 || byte >= 0x7f) {
            static constexpr char digits[] = "0123456789abcdef";
            // Bytes beyond ASCII become code points of the same number, so that this is valid JSON
            // whatever the runtime said.
            quoted.append("\\u00").push_back(digits[byte >> 4]);
            quoted.push_back(digits[byte & 15]);
        } else {
            quoted.push_back(c);
        }
    }
    return quoted + "\"";
}

} // namespace

std::array<char, frame_header_bytes> encode_frame_header(Frame type, std::uint32_t length) {
    return {static_cast<char>(type),
            0,
            0,
            0,
            static_cast<char>(length >> 24),
            static_cast<char>(length >> 16),
            static_cast<char>(length >> 8),
            static_cast<char>(length)};
}

std::string encode_frame(Frame type, std::string_view payload) {
    const auto header = encode_frame_header(type, static_cast<std::uint32_t>(payload.size()));
    std::string frame(header.data(), header.size());
    frame.append(payload);
    return frame;
}

Result<FrameHeader> decode_frame_header(std::string_view bytes) {
    if (bytes.size() < frame_header_bytes) { return invalid("frame header: too short"); }
    if (bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 0) {
        return invalid("frame header: padding is not zero");
    }
    return FrameHeader{static_cast<Frame>(bytes[0]), from_be32(bytes.substr(4))};
}

Result<std::optional<FrameDecoder::Item>> FrameDecoder::next() {
    if (buffer_.size() < frame_header_bytes) { return std::optional<Item>(); }
    TRY_LET(header, decode_frame_header(buffer_));
    if (header.length > control_payload_max) {
        return invalid("frame of " + std::to_string(header.length) + " bytes is too long");
    }
    const std::size_t whole = frame_header_bytes + header.length;
    if (buffer_.size() < whole) { return std::optional<Item>(); }
    Item item{header.type, buffer_.substr(frame_header_bytes, header.length)};
    buffer_.erase(0, whole);
    return std::optional<Item>(std::move(item));
}

std::string encode_attach(AttachRequest request) {
    const int bits = (request.in ? 1 : 0) | (request.out ? 2 : 0) | (request.err ? 4 : 0) |
                     (request.raw ? 8 : 0);
    return std::string(1, static_cast<char>(bits));
}
Result<AttachRequest> decode_attach(std::string_view payload) {
    if (payload.size() != 1) { return invalid("attach: expected one byte"); }
    const int bits = payload[0];
    if ((bits & ~15) != 0) { return invalid("attach: unknown flags"); }
    return AttachRequest{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
}

std::string encode_resize(TerminalSize size) {
    return be32((std::uint32_t{size.height} << 16) | size.width);
}
Result<TerminalSize> decode_resize(std::string_view payload) {
    if (payload.size() != 4) { return invalid("resize: expected 4 bytes"); }
    const auto both = from_be32(payload);
    return TerminalSize{static_cast<std::uint16_t>(both >> 16), static_cast<std::uint16_t>(both)};
}
std::string encode_signal(int signal) { return be32(static_cast<std::uint32_t>(signal)); }
Result<int> decode_signal(std::string_view payload) {
    if (payload.size() != 4) { return invalid("signal: expected 4 bytes"); }
    const auto number = from_be32(payload);
    if (number > 64) { return invalid("signal: out of range"); }
    return static_cast<int>(number);
}

std::string encode_state(const ShimState& state) {
    std::string out;
    put_number(out, "phase", static_cast<int>(state.phase));
    put_number(out, "pid", state.pid);
    put(out, "start_time", std::to_string(state.start_time));
    put_number(out, "started_at", unix_nanos(state.started_at));
    put(out, "dropped_lines", std::to_string(state.dropped_lines));
    return out;
}

Result<ShimState> decode_state(std::string_view payload) {
    TRY_LET(lines, parse_lines(payload));
    ShimState state;
    for (const auto& [key, value] : lines) {
        if (key == "phase") {
            int phase = 0;
            TRY(take_number(key, value, phase));
            if (phase < 0 || phase > 3) { return invalid("phase: out of range"); }
            state.phase = static_cast<ShimPhase>(phase);
        } else if (key == "pid") {
            TRY(take_number(key, value, state.pid));
        } else if (key == "start_time") {
            TRY(take_number(key, value, state.start_time));
        } else if (key == "dropped_lines") {
            TRY(take_number(key, value, state.dropped_lines));
        } else if (key == "started_at") {
            std::int64_t nanos = 0;
            TRY(take_number(key, value, nanos));
            state.started_at = from_unix_nanos(nanos);
        }
    }
    return state;
}

std::string encode_exit(const ShimExit& exit) {
    std::string out;
    put_number(out, "code", exit.code);
    put_number(out, "signal", exit.signal);
    put_number(out, "oom", exit.oom ? 1 : 0);
    put_number(out, "at", unix_nanos(exit.at));
    put(out, "error", exit.error);
    put(out, "dropped_lines", std::to_string(exit.dropped_lines));
    return out;
}

Result<ShimExit> decode_exit(std::string_view payload) {
    TRY_LET(lines, parse_lines(payload));
    ShimExit exit;
    for (const auto& [key, value] : lines) {
        if (key == "code") {
            TRY(take_number(key, value, exit.code));
        } else if (key == "signal") {
            TRY(take_number(key, value, exit.signal));
        } else if (key == "oom") {
            exit.oom = value == "1";
        } else if (key == "at") {
            std::int64_t nanos = 0;
            TRY(take_number(key, value, nanos));
            exit.at = from_unix_nanos(nanos);
        } else if (key == "error") {
            exit.error = value;
        } else if (key == "dropped_lines") {
            TRY(take_number(key, value, exit.dropped_lines));
        }
    }
    return exit;
}

std::string exit_json(const ShimExit& exit) {
    return "{\"code\":" + std::to_string(exit.code) + ",\"signal\":" + std::to_string(exit.signal) +
           ",\"oom\":" + (exit.oom ? "true" : "false") + ",\"at\":\"" + format_rfc3339(exit.at) +
           "\",\"error\":" + quote_json(exit.error) +
           ",\"droppedLines\":" + std::to_string(exit.dropped_lines) + "}\n";
}

std::string encode_shim_config(const ShimConfig& c) {
    std::string out;
    put(out, "mode", c.mode == ShimConfig::Mode::Run ? "run" : "exec");
    put(out, "runtime", c.runtime);
    for (const auto& argument : c.runtime_args) { put(out, "runtime_arg", argument); }
    put(out, "runtime_root", c.runtime_root);
    put(out, "container_id", c.container_id);
    put(out, "bundle", c.bundle);
    put(out, "directory", c.directory);
    put(out, "process_file", c.process_file);
    put_number(out, "tty", c.tty);
    put_number(out, "open_stdin", c.open_stdin);
    put_number(out, "stdin_once", c.stdin_once);
    put_number(out, "height", c.console.height);
    put_number(out, "width", c.console.width);
    put(out, "oom_file", c.oom_file);
    put_number(out, "detach", c.detach);
    put_number(out, "no_pivot", c.no_pivot);
    put_number(out, "init", c.init);
    put(out, "log_driver", c.log_driver);
    put(out, "log_path", c.log_path);
    put_map(out, "log_option", c.log_options);
    put(out, "container_name", c.container_name);
    put(out, "image_name", c.image_name);
    put(out, "image_id", c.image_id);
    put_map(out, "log_attribute", c.log_attributes);
    put(out, "log_tag", c.log_tag);
    return out;
}

Result<ShimConfig> parse_shim_config(std::string_view text) {
    TRY_LET(lines, parse_lines(text));
    ShimConfig c;
    const std::map<std::string, std::string*> texts{{"runtime", &c.runtime},
                                                    {"runtime_root", &c.runtime_root},
                                                    {"container_id", &c.container_id},
                                                    {"bundle", &c.bundle},
                                                    {"directory", &c.directory},
                                                    {"process_file", &c.process_file},
                                                    {"oom_file", &c.oom_file},
                                                    {"log_driver", &c.log_driver},
                                                    {"log_path", &c.log_path},
                                                    {"container_name", &c.container_name},
                                                    {"image_name", &c.image_name},
                                                    {"image_id", &c.image_id},
                                                    {"log_tag", &c.log_tag}};
    const std::map<std::string, bool*> flags{
        {"tty", &c.tty},       {"open_stdin", &c.open_stdin}, {"stdin_once", &c.stdin_once},
        {"detach", &c.detach}, {"no_pivot", &c.no_pivot},     {"init", &c.init}};
    for (auto& [key, value] : lines) {
        if (const auto found = texts.find(key); found != texts.end()) {
            *found->second = std::move(value);
        } else if (const auto flag = flags.find(key); flag != flags.end()) {
            *flag->second = value == "1";
        } else if (key == "mode") {
            c.mode = value == "exec" ? ShimConfig::Mode::Exec : ShimConfig::Mode::Run;
        } else if (key == "runtime_arg") {
            c.runtime_args.push_back(std::move(value));
        } else if (key == "height") {
            TRY(take_number(key, value, c.console.height));
        } else if (key == "width") {
            TRY(take_number(key, value, c.console.width));
        } else if (key.starts_with("log_option.")) {
            TRY_LET(name, decode_percent(std::string_view(key).substr(11), false));
            c.log_options.emplace(std::move(name), std::move(value));
        } else if (key.starts_with("log_attribute.")) {
            TRY_LET(name, decode_percent(std::string_view(key).substr(14), false));
            c.log_attributes.emplace(std::move(name), std::move(value));
        } else {
            return invalid("shim.conf: unknown key " + key);
        }
    }
    return c;
}

} // namespace shoal::container
