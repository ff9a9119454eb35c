// The language between the daemon and a container's monitor (shoal-shim): its settings file, the
// frames on its socket, and the exit file. Pure: bytes in, values out. The monitor itself is
// src/apps/shim.cpp.
//
// Connections. `spawn_shim` (runtime.h) returns the first one; others connect to
// <bundle>/shim.sock. A connection carries frames: 1 byte type, 3 zero bytes, 4 bytes length (big
// endian), payload: Docker's stream header.
//  - Control: the client sends Start, Resize, Signal, CloseStdin, Watch as often as it likes. Each
//    but Watch is answered in order by Done (empty payload) or Failed (text). Watch, and the first
//    connection without asking, receives State now and at every change, and Exited once; then the
//    monitor closes.
//  - Attach: the first frame is Attach; the answer is Done or Failed, and from then on the
//    connection is the stream: client to monitor raw stdin bytes (half-close: end of input),
//    monitor to client Docker's frames (types 1 and 2) or, with `raw`, bare bytes. The monitor
//    closes it when the container's output has ended. Attaching is possible from before Start until
//    the end. A client that does not read holds the container's output back; one that is gone is
//    dropped.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "container/config.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::container {

enum class Frame : std::uint8_t {
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,
    SystemError = 3, ///< Docker's: the client prints it and fails
    // client to monitor
    Attach = 16,     ///< encode_attach
    Start = 17,      ///< empty
    Resize = 18,     ///< encode_resize
    CloseStdin = 19, ///< empty
    Signal = 20,     ///< encode_signal; goes to the first process only
    Watch = 21,      ///< empty
    // monitor to client
    Done = 32,
    Failed = 33, ///< text: the runtime's words; see translate_runtime_error
    State = 34,  ///< ShimState
    Exited = 35, ///< ShimExit
};

inline constexpr std::size_t frame_header_bytes = 8;
inline constexpr std::size_t control_payload_max = 64 * 1024;

/// What Failed begins with when the log, not the runtime, is to blame.
inline constexpr std::string_view log_failure_prefix = "failed to initialize logging driver: ";

std::array<char, frame_header_bytes> encode_frame_header(Frame type, std::uint32_t length);
std::string encode_frame(Frame type, std::string_view payload = {});
struct FrameHeader {
    Frame type{};
    std::uint32_t length = 0;
};
/// Fails for less than 8 bytes or non-zero padding.
Result<FrameHeader> decode_frame_header(std::string_view bytes);

/// Collects bytes and hands out whole frames. A payload above control_payload_max is an error.
class FrameDecoder {
  public:
    struct Item {
        Frame type{};
        std::string payload;
    };
    void feed(std::string_view bytes) { buffer_.append(bytes); }
    /// The next whole frame; nothing when more bytes are needed.
    Result<std::optional<Item>> next();

  private:
    std::string buffer_;
};

struct AttachRequest {
    bool in = false;
    bool out = false;
    bool err = false;
    bool raw = false; ///< bare bytes instead of frames (a terminal, or old clients)
};
std::string encode_attach(AttachRequest request); ///< payload of Frame::Attach
Result<AttachRequest> decode_attach(std::string_view payload);

struct TerminalSize {
    std::uint16_t height = 0;
    std::uint16_t width = 0;
};
std::string encode_resize(TerminalSize size);
Result<TerminalSize> decode_resize(std::string_view payload);
std::string encode_signal(int signal);
Result<int> decode_signal(std::string_view payload);

enum class ShimPhase { Creating, Created, Running, Exited };
struct ShimState {
    ShimPhase phase = ShimPhase::Creating;
    int pid = 0;                     ///< first process, as the host counts; 0 while Creating
    std::uint64_t start_time = 0;    ///< of that process, see os/pidfd.h
    Instant started_at;              ///< of Running
    std::uint64_t dropped_lines = 0; ///< log lines lost because the log could not be written
};
std::string encode_state(const ShimState& state); ///< "key=value\n" lines
Result<ShimState> decode_state(std::string_view payload);

struct ShimExit {
    int code = 0; ///< 128 + signal when a signal ended it
    int signal = 0;
    bool oom = false; ///< the kernel killed in this container's memory group
    Instant at;
    std::string error; ///< the runtime's words when the process never ran
    std::uint64_t dropped_lines = 0;
    bool operator==(const ShimExit&) const = default;
};
/// The payload of Exited.
std::string encode_exit(const ShimExit& exit);
Result<ShimExit> decode_exit(std::string_view payload);
/// The content of exit.json:
/// {"code":0,"signal":0,"oom":false,"at":"...","error":"","droppedLines":0}.
std::string exit_json(const ShimExit& exit);
Result<ShimExit> parse_exit_json(std::string_view text);

/// Everything a monitor needs to know; stored as "key=value" lines in <bundle>/shim.conf.
struct ShimConfig {
    enum class Mode { Run, Exec };
    Mode mode = Mode::Run;
    std::string runtime;                   ///< absolute path of crun
    std::vector<std::string> runtime_args; ///< before the sub-command
    std::string runtime_root;              ///< --root
    std::string container_id;
    std::string bundle; ///< directory of config.json
    std::string
        directory; ///< where shim.sock, shim.pid, init, exit.json go: the bundle, or the exec's own
    std::string process_file; ///< Exec: the OCI process JSON
    bool tty = false;
    bool open_stdin = false;
    bool stdin_once = false; ///< the end of the first attached input closes the container's
    TerminalSize console;    ///< first size; 0 x 0 leaves it
    std::string oom_file;    ///< memory.oom_control or memory.events of the container; "" for none
    bool detach = false;     ///< Exec: output is thrown away, nobody will attach
    bool no_pivot = false;
    bool init = false; ///< Run: the first process is an init, which holds its signals back before
                       ///< it is ready

    // Log: empty driver or "none" writes nothing.
    std::string log_driver;
    std::string log_path;       ///< json-file and local
    StringMap log_options;      ///< checked by validate.h; addresses already numeric
    std::string container_name; ///< with image, for tags
    std::string image_name;
    std::string image_id;
    StringMap log_attributes; ///< "attrs" of json-file lines, fields of journald, from labels and
                              ///< env options
    std::string log_tag;      ///< already expanded
};
std::string encode_shim_config(const ShimConfig& config);
Result<ShimConfig> parse_shim_config(std::string_view text);

/// Names below ShimConfig::directory.
inline constexpr std::string_view shim_socket_name = "shim.sock";
inline constexpr std::string_view shim_pid_name = "shim.pid";
inline constexpr std::string_view shim_config_name = "shim.conf";
inline constexpr std::string_view init_name = "init"; ///< "<pid> <start time>\n", once created
inline constexpr std::string_view exit_name = "exit.json";

} // namespace shoal::container
