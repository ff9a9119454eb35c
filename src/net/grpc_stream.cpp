#include "net/grpc_stream.h"

#include "net/sleep.h"
#include "net/wait_queue.h"

namespace shoal::net {

namespace {

constexpr std::size_t piece_bytes = 32 * 1024;
constexpr char bytes_tag = 0x0a; // field 1, with a length

using Call = std::shared_ptr<GrpcCall>;

struct State {
    State(Loop& on, Call over) : loop(on), call(std::move(over)) {}
    Loop& loop;
    Call call;
    std::string unread;
    bool ended = false; ///< the peer has said everything
    bool shut = false;  ///< we have
    bool closed = false;
};
using StatePtr = std::shared_ptr<State>;

Error closed() { return {Errc::Cancelled, "closed"}; }

Task<Result<std::size_t>> read(StatePtr state, std::span<char> into, Until until) {
    while (state->unread.empty()) {
        if (state->closed) { co_return closed(); }
        if (state->ended) { co_return std::size_t{0}; }
        CO_TRY_LET(message, co_await state->call->read(until));
        if (!message) {
            state->ended = true;
            continue;
        }
        CO_TRY_LET(bytes, parse_bytes_message(*message));
        state->unread = std::move(bytes);
    }
    const auto count = state->unread.copy(into.data(), into.size());
    state->unread.erase(0, count);
    co_return count;
}

Task<Result<void>> write(StatePtr state, std::string bytes, Until until) {
    for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
        if (state->closed || state->shut) { co_return closed(); }
        auto message = print_bytes(bytes.substr(at, piece_bytes));
        CO_TRY(co_await state->call->write(std::move(message), until));
    }
    co_return ok();
}

Task<Result<void>> shut(StatePtr state) {
    if (state->closed) { co_return closed(); }
    if (state->shut) { co_return ok(); }
    state->shut = true;
    if (!state->call->is_client()) { co_return state->call->finish(ok()); }
    co_return state->call->finish_writing();
}

Task<Wake> gone(StatePtr state, Until until) {
    Cancel either(state->call->gone());
    if (until.cancel != nullptr) { either.follow(*until.cancel); }
    const Wake wake = co_await sleep(state->loop, Until(until.deadline, either));
    if (wake == Wake::Cancelled && state->call->gone().cancelled()) { co_return Wake::Raised; }
    co_return wake;
}

class BytesStream : public Stream {
  public:
    BytesStream(Loop& loop, Call call, std::string peer)
        : state_(std::make_shared<State>(loop, std::move(call))), peer_(std::move(peer)) {}
    ~BytesStream() override { BytesStream::close(); }
    Task<Result<std::size_t>> read_some(std::span<char> into, Until until) override {
        return read(state_, into, until);
    }
    Task<Result<void>> write_all(std::string_view bytes, Until until) override {
        return write(state_, std::string(bytes), until);
    }
    Task<Result<void>> write_all(std::string_view head, std::string_view body,
                                 Until until) override {
        return write(state_, std::string(head).append(body), until);
    }
    Task<Result<void>> shutdown_write(Until) override { return shut(state_); }
    void close() override {
        if (state_->closed) { return; }
        state_->closed = true;
        if (!state_->ended || !state_->shut) { state_->call->cancel(); }
    }
    Task<Wake> wait_gone(Until until) override { return gone(state_, until); }
    int raw() const override { return -1; }
    std::string peer() const override { return peer_; }

  private:
    StatePtr state_;
    std::string peer_;
};

} // namespace

StreamPtr make_bytes_stream(Loop& loop, Call call, std::string peer) {
    return std::make_unique<BytesStream>(loop, std::move(call), std::move(peer));
}

std::string print_bytes(std::string bytes) {
    std::string message(1, bytes_tag);
    for (std::size_t rest = bytes.size();; rest >>= 7) {
        if (rest < 0x80) {
            message += static_cast<char>(rest);
            break;
        }
        message += static_cast<char>(rest | 0x80);
    }
    return message += bytes;
}

Result<std::string> parse_bytes_message(const std::string& message) {
    if (message.empty()) { return std::string(); } // no bytes: the field is left out
    std::size_t length = 0;
    std::size_t at = 1;
    for (int shift = 0; shift < 35 && at < message.size(); shift += 7) {
        const auto byte = static_cast<unsigned char>(message[at++]);
        length |= static_cast<std::size_t>(byte & 0x7f) << shift;
        if (byte >= 0x80) { continue; }
        if (message[0] != bytes_tag || message.size() - at != length) { break; }
        return message.substr(at);
    }
    return invalid("bytes: not a message of that kind");
}

} // namespace shoal::net
