#include "buildkit/bytes_stream.h"

#include "buildkit/message.h"
#include "net/sleep.h"
#include "net/wait_queue.h"
#include "session.pb.h"

namespace shoal::buildkit {

namespace {

constexpr std::size_t piece_bytes = 32 * 1024;

using Call = std::shared_ptr<net::GrpcCall>;

struct State {
    State(net::Loop& on, Call over) : loop(on), call(std::move(over)) {}
    net::Loop& loop;
    Call call;
    std::string unread;
    bool ended = false; ///< the peer has said everything
    bool shut = false;  ///< we have
    bool closed = false;
};
using StatePtr = std::shared_ptr<State>;

Error closed() { return {Errc::Cancelled, "closed"}; }

net::Task<Result<std::size_t>> read(StatePtr state, std::span<char> into, net::Until until) {
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

net::Task<Result<void>> write(StatePtr state, std::string bytes, net::Until until) {
    for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
        if (state->closed || state->shut) { co_return closed(); }
        auto message = print_bytes(bytes.substr(at, piece_bytes));
        CO_TRY(co_await state->call->write(std::move(message), until));
    }
    co_return ok();
}

net::Task<Result<void>> shut(StatePtr state) {
    if (state->closed) { co_return closed(); }
    if (state->shut) { co_return ok(); }
    state->shut = true;
    if (!state->call->is_client()) { co_return state->call->finish(ok()); }
    co_return state->call->finish_writing();
}

net::Task<net::Wake> gone(StatePtr state, net::Until until) {
    net::Cancel either(state->call->gone());
    if (until.cancel != nullptr) { either.follow(*until.cancel); }
    const net::Wake wake = co_await net::sleep(state->loop, net::Until(until.deadline, either));
    if (wake == net::Wake::Cancelled && state->call->gone().cancelled()) {
        co_return net::Wake::Raised;
    }
    co_return wake;
}

class BytesStream : public net::Stream {
  public:
    BytesStream(net::Loop& loop, Call call, std::string peer)
        : state_(std::make_shared<State>(loop, std::move(call))), peer_(std::move(peer)) {}
    ~BytesStream() override { BytesStream::close(); }
    net::Task<Result<std::size_t>> read_some(std::span<char> into, net::Until until) override {
        return read(state_, into, until);
    }
    net::Task<Result<void>> write_all(std::string_view bytes, net::Until until) override {
        return write(state_, std::string(bytes), until);
    }
    net::Task<Result<void>> write_all(std::string_view head, std::string_view body,
                                      net::Until until) override {
        return write(state_, std::string(head).append(body), until);
    }
    net::Task<Result<void>> shutdown_write(net::Until) override { return shut(state_); }
    void close() override {
        if (state_->closed) { return; }
        state_->closed = true;
        if (!state_->ended || !state_->shut) { state_->call->cancel(); }
    }
    net::Task<net::Wake> wait_gone(net::Until until) override { return gone(state_, until); }
    int raw() const override { return -1; }
    std::string peer() const override { return peer_; }

  private:
    StatePtr state_;
    std::string peer_;
};

} // namespace

net::StreamPtr make_bytes_stream(net::Loop& loop, Call call, std::string peer) {
    return std::make_unique<BytesStream>(loop, std::move(call), std::move(peer));
}

std::string print_bytes(std::string bytes) {
    moby::filesync::v1::BytesMessage message;
    message.set_data(std::move(bytes));
    return print_message(message);
}

Result<std::string> parse_bytes_message(const std::string& message) {
    TRY_LET(parsed, parse_message<moby::filesync::v1::BytesMessage>(message, "bytes"));
    return std::move(*parsed.mutable_data());
}

} // namespace shoal::buildkit
