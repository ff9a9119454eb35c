#include "net/websocket.h"

#include "base/text.h"

#include <openssl/evp.h>

namespace shoal::net {

namespace {

constexpr std::string_view handshake_guid =
    "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 section 1.3
constexpr std::uint64_t control_bytes_max = 125;

enum Opcode : std::uint8_t {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10
};

std::string accept_key(const std::string& key) {
    const std::string text = key + std::string(handshake_guid);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
    return base64(std::string_view(reinterpret_cast<const char*>(digest), size));
}

std::string frame_head(Opcode opcode, std::uint64_t size) {
    std::string head(1, static_cast<char>(0x80 | opcode));
    const int length_bytes = size < 126 ? 0 : size <= 0xffff ? 2 : 8;
    head.push_back(static_cast<char>(length_bytes == 0 ? size : length_bytes == 2 ? 126 : 127));
    for (int i = length_bytes - 1; i >= 0; --i) {
        head.push_back(static_cast<char>(size >> (8 * i) & 0xff));
    }
    return head;
}

/// A client's frame as far as its head tells.
struct Frame {
    bool final = false;
    std::uint8_t opcode = 0;
    std::uint64_t left = 0;
    std::array<char, 4> mask{};
    std::size_t position = 0;
    void unmask(std::span<char> bytes) {
        for (char& byte : bytes) { byte ^= mask[position++ % 4]; }
        left -= bytes.size();
    }
};

struct State {
    StreamPtr inner;
    std::string pending; ///< a pong or close frame that the writer must not be cut by
    Frame frame;
    bool writing = false;
    bool close_sent = false;
    bool ended = false;
};
using StatePtr = std::shared_ptr<State>;

Task<Result<void>> read_exactly(StatePtr state, std::span<char> into, Until until) {
    while (!into.empty()) {
        CO_TRY_LET(got, co_await state->inner->read_some(into, until));
        if (got == 0) {
            co_return Error{Errc::Cancelled, "websocket: closed in the middle of a frame"};
        }
        into = into.subspan(got);
    }
    co_return ok();
}

Error protocol_error(std::string_view what) { return invalid("websocket: " + std::string(what)); }

/// Reads a frame's head; false when the peer ended without a close frame.
Task<Result<bool>> read_frame(StatePtr state, Until until) {
    char head[2];
    const std::span<char> first(head, 1);
    CO_TRY_LET(got, co_await state->inner->read_some(first, until));
    if (got == 0) { co_return false; }
    const std::span<char> second(head + 1, 1);
    CO_TRY(co_await read_exactly(state, second, until));
    Frame frame;
    frame.final = (head[0] & 0x80) != 0;
    frame.opcode = static_cast<std::uint8_t>(head[0] & 0x0f);
    frame.left = static_cast<std::uint8_t>(head[1] & 0x7f);
    if ((head[0] & 0x70) != 0) { co_return protocol_error("reserved bits are set"); }
    if ((head[1] & 0x80) == 0) { co_return protocol_error("a frame of the client is not masked"); }
    const std::size_t length_bytes = frame.left == 126 ? 2 : frame.left == 127 ? 8 : 0;
    char rest[12];
    const std::span<char> into(rest, length_bytes + 4);
    CO_TRY(co_await read_exactly(state, into, until));
    if (length_bytes > 0) { frame.left = 0; }
    for (std::size_t i = 0; i < length_bytes; ++i) {
        frame.left = frame.left << 8 | static_cast<std::uint8_t>(rest[i]);
    }
    std::copy_n(rest + length_bytes, 4, frame.mask.begin());
    const bool control = (frame.opcode & 8) != 0;
    if (control && (!frame.final || frame.left > control_bytes_max)) {
        co_return protocol_error("bad control frame");
    }
    const bool known = frame.opcode <= Binary || (frame.opcode >= Close && frame.opcode <= Pong);
    if (!known) { co_return protocol_error("unknown kind of frame"); }
    state->frame = frame;
    co_return true;
}

/// Control frames go between the messages of a writer who may be waiting just now.
Task<Result<void>> write_control(StatePtr state, Opcode opcode, std::string payload, Until until) {
    std::string frame = frame_head(opcode, payload.size()) + payload;
    if (state->writing) {
        state->pending = std::move(frame); // the newest answer is enough (RFC 6455 section 5.5.3)
        co_return ok();
    }
    state->writing = true;
    auto wrote = co_await state->inner->write_all(frame, until);
    state->writing = false;
    co_return wrote;
}

Task<Result<void>> write_message(StatePtr state, std::string head, std::string_view body,
                                 Until until) {
    if (state->close_sent) { co_return Error{Errc::Cancelled, "websocket: closed"}; }
    const std::string frame = frame_head(Binary, head.size() + body.size()) + head;
    state->writing = true;
    auto wrote = co_await state->inner->write_all(frame, body, until);
    while (wrote && !state->pending.empty()) {
        const std::string control = std::exchange(state->pending, {});
        wrote = co_await state->inner->write_all(control, until);
    }
    state->writing = false;
    co_return wrote;
}

Task<Result<void>> send_close(StatePtr state, Until until) {
    if (state->close_sent) { co_return ok(); }
    state->close_sent = true;
    std::string normal("\x03\xe8", 2); // status 1000
    co_return co_await write_control(std::move(state), Close, std::move(normal), until);
}

Task<Result<void>> answer_control(StatePtr state, Until until) {
    std::string payload(state->frame.left, '\0');
    const std::span<char> into(payload);
    CO_TRY(co_await read_exactly(state, into, until));
    state->frame.unmask(into);
    if (state->frame.opcode == Ping) {
        co_return co_await write_control(state, Pong, std::move(payload), until);
    }
    if (state->frame.opcode != Close) { co_return ok(); }
    state->ended = true;
    co_return co_await send_close(state, until);
}

Task<Result<std::size_t>> read_message(StatePtr state, std::span<char> into, Until until) {
    for (;;) {
        if (state->ended || into.empty()) { co_return std::size_t{0}; }
        if (state->frame.left == 0) {
            CO_TRY_LET(begun, co_await read_frame(state, until));
            if (!begun) { state->ended = true; }
            if (begun && (state->frame.opcode & 8) != 0) {
                CO_TRY(co_await answer_control(state, until));
                state->frame.left = 0;
            }
            continue;
        }
        const auto part = into.subspan(0, std::min<std::uint64_t>(into.size(), state->frame.left));
        CO_TRY_LET(got, co_await state->inner->read_some(part, until));
        if (got == 0) {
            co_return Error{Errc::Cancelled, "websocket: closed in the middle of a frame"};
        }
        state->frame.unmask(part.subspan(0, got));
        co_return got;
    }
}

class WebSocketStream : public Stream {
  public:
    explicit WebSocketStream(StreamPtr inner) : state_(std::make_shared<State>()) {
        state_->inner = std::move(inner);
    }
    ~WebSocketStream() override { state_->inner->close(); }
    Task<Result<std::size_t>> read_some(std::span<char> into, Until until) override {
        return read_message(state_, into, until);
    }
    Task<Result<void>> write_all(std::string_view bytes, Until until) override {
        return write_message(state_, {}, bytes, until);
    }
    Task<Result<void>> write_all(std::string_view head, std::string_view body,
                                 Until until) override {
        return write_message(state_, std::string(head), body, until);
    }
    Task<Result<void>> shutdown_write(Until until) override { return send_close(state_, until); }
    void close() override { state_->inner->close(); }
    Task<Wake> wait_gone(Until until) override { return state_->inner->wait_gone(until); }
    int raw() const override { return state_->inner->raw(); }
    std::string peer() const override { return state_->inner->peer(); }

  private:
    StatePtr state_;
};

} // namespace

bool wants_websocket(const RequestHead& request) {
    return request.headers.has_token("Connection", "upgrade") &&
           request.headers.has_token("Upgrade", "websocket");
}

Task<Result<StreamPtr>> accept_websocket(Exchange& exchange) {
    const RequestHead& request = exchange.request();
    if (request.method != "GET" || !wants_websocket(request)) {
        co_return protocol_error("not a handshake");
    }
    if (request.headers.get_or("Sec-WebSocket-Version", "") != "13") {
        co_return protocol_error("version 13 is needed");
    }
    const std::string* const key = request.headers.get("Sec-WebSocket-Key");
    const auto decoded = decode_base64(key == nullptr ? "" : *key);
    if (!decoded || decoded->size() != 16) {
        co_return protocol_error("the key is missing or malformed");
    }
    Headers headers;
    headers.add("Upgrade", "websocket");
    headers.add("Connection", "Upgrade");
    headers.add("Sec-WebSocket-Accept", accept_key(*key));
    CO_TRY_LET(raw, co_await exchange.upgrade(101, std::move(headers)));
    co_return std::make_unique<WebSocketStream>(std::move(raw));
}

} // namespace shoal::net
